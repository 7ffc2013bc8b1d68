"""Coroutines that share a thread do not share what they log."""

from __future__ import annotations

import pytest

import holdfast
from tests.harness import new_site
from tests.project import retrying
from tests.project.coroutines import AIO


def test_coroutines_that_run_at_once_keep_their_own_lines(request: pytest.FixtureRequest) -> None:
    with new_site("sqlite", request) as site:
        site.worker(
            f"--include={retrying.__name__}", pool="custom", concurrency=20, environment=AIO
        )
        task = site.app.tasks[retrying.talk.name]
        sent = {f"job {number}": task.delay(f"job {number}", 10) for number in range(10)}
        site.wait_all_final()
        for name, result in sent.items():
            (attempt,) = holdfast.attempts(result)
            assert [line.rpartition(": ")[2] for line in attempt.log] == [name] * 10
