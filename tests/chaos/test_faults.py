"""Each fault of the catalogue can hit, is over when it has struck, and costs nothing that is promised."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Enter
from tests.chaos.faults import CATALOGUE, Fault
from tests.chaos.stage import SETTINGS, stage

EACH = [
    pytest.param(fault, database, id=f"{fault.name}-{database}")
    for fault in CATALOGUE
    for database in sorted(fault.databases)
]
TRIES = 8


@pytest.mark.soak
@pytest.mark.parametrize(("fault", "database"), EACH)
def test_fault_hits_what_holds_work_and_costs_nothing_that_is_promised(
    fault: Fault, database: str, enter_ground: Enter
) -> None:
    on = enter_ground(database, holdfast=SETTINGS)
    with stage(on) as staged:
        hit = any(staged.strike(fault) for _ in range(TRIES))
        assert staged.settle(120) == {}
        assert hit
