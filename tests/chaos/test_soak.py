"""The soak, for two minutes: every rule of the judge on a random load under random faults, always from one seed."""

from __future__ import annotations

import pytest

from tests.chaos.campaign import SETTINGS, Soak
from tests.chaos.conftest import Enter
from tests.chaos.report import table

# With start, settling and judgement about two minutes, and three.
MINUTES = pytest.mark.parametrize("minutes", [0.9, pytest.param(1.8, marks=pytest.mark.soak)])
# How long a call or a publication may take is held to its bound by scenarios of their own, where nothing else runs.
TIMED = frozenset({"slow_calls", "dear_calls", "late_publications", "late"})


@pytest.mark.alone
@pytest.mark.slow
@MINUTES
def test_every_promise_holds_under_random_load_and_random_faults(
    minutes: float, enter_ground: Enter
) -> None:
    on = enter_ground("postgres", holdfast=SETTINGS, warm=False)
    soak = Soak(on, seed=2026, minutes=minutes, database="postgres", ways_per_second=12)
    try:
        result = soak.run()
    finally:
        soak.kill()
    print(table(result))  # noqa: T201  # shown with the failure
    assert {name: found for name, found in result["broken"].items() if name not in TIMED} == {}
    assert result["jobs"] > 560 * minutes
    assert sum(result["faults"].values()) > 11.2 * minutes
