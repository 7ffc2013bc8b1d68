"""The measurement of a heavy request in small: every part of it runs, and its figures are those of its requests."""

from __future__ import annotations

import pytest

from benchmarks import request

pytestmark = pytest.mark.slow


def test_users_wait_in_the_request_or_are_served_by_jobs() -> None:
    found = request.measure(rows=500, rounds=1, seconds=1, users=3, alone=2)

    assert (found["rows"], found["users"], found["goal_ms"]) == (500, 3, 45.0)
    assert found["alone_ms"] > 0
    for way in ("in_the_request", "by_jobs"):
        figures = found[way]
        # Whoever has begun before the end of a round gets what they asked for.
        assert figures["results"] == figures["requests"] >= 3
        assert figures["request_p50_ms"] <= figures["request_p95_ms"]
    assert found["in_the_request"]["looks"] == 0
    assert found["by_jobs"]["looks"] >= found["by_jobs"]["results"]
