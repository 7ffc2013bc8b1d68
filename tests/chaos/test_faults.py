"""Each fault of the catalogue can hit, is over when it has struck, and costs no job."""

from __future__ import annotations

import time

import pytest

from tests.chaos.conftest import Enter, Tell
from tests.chaos.faults import CATALOGUE, Fault
from tests.chaos.stage import SETTINGS, stage

EACH = [
    pytest.param(fault, database, id=f"{fault.name}-{database}")
    for fault in CATALOGUE
    for database in sorted(fault.databases)
]


@pytest.mark.soak
@pytest.mark.parametrize(("fault", "database"), EACH)
def test_fault_hits_what_holds_work_and_costs_no_job(
    fault: Fault, database: str, enter_ground: Enter, tell: Tell
) -> None:
    on = enter_ground(database, holdfast=SETTINGS)
    with stage(on, schedulers=2 if fault.hits == "scheduler" else 0) as staged:
        hit = any(staged.strike(fault) for _ in range(5))
        since = time.monotonic()
        found = staged.settle(120)
        tell(found, faults=1, more=f"{fault.name}: final {time.monotonic() - since:.1f} s after")
        assert hit
        assert {row.failures for row in on.site.jobs(state__in=[4, 7]).values()} == set()
