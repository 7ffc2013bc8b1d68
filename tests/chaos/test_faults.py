"""Each fault of the catalogue can hit, is over when it has struck, and costs nothing that is promised."""

from __future__ import annotations

import pytest

from tests.chaos.campaign import SETTINGS
from tests.chaos.conftest import Enter
from tests.chaos.faults import CATALOGUE, Fault, clocks
from tests.chaos.stage import stage

EACH = [
    pytest.param(fault, database, id=f"{fault.name}-{database}")
    for fault in CATALOGUE
    for database in sorted(fault.databases)
]
# Those that take a moment, for `make test`; its minute of the soak draws from all of them.
QUICK = {
    "postgres": ("terminate connections", "reset database", "kill main process", "wipe broker"),
    "sqlite": ("end child", "hold writer", "repeat tickets", "kill producer", "rush worker"),
}
TRIES = 8
NAMED = {fault.name: fault for fault in CATALOGUE}


@pytest.mark.parametrize("database", QUICK)
def test_one_quick_fault_after_the_other_costs_nothing_that_is_promised(
    database: str, enter_ground: Enter
) -> None:
    on = enter_ground(database, holdfast=SETTINGS)
    with stage(on) as staged:
        for name in QUICK[database]:
            hit = any(staged.strike(NAMED[name]) for _ in range(TRIES))
            assert hit, f"{name} found nothing to hit"
        assert staged.settle() == {}


@pytest.mark.soak
@pytest.mark.parametrize(("fault", "database"), EACH)
def test_fault_hits_what_holds_work_and_costs_nothing_that_is_promised(
    fault: Fault, database: str, enter_ground: Enter
) -> None:
    if fault in clocks.FAULTS and clocks.library() is None:
        pytest.skip("libfaketime is not installed: see .ci/install")
    on = enter_ground(database, holdfast=SETTINGS)
    with stage(on) as staged:
        hit = any(staged.strike(fault) for _ in range(TRIES))
        assert staged.settle(120) == {}
        assert hit
