"""The ledger against a model: any order of moves, a crash between any two statements, on both databases."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.keyed_machine import KeyedMachine
from tests.limited_machine import LimitedMachine
from tests.machine import LedgerMachine
from tests.moves import watched

MACHINES: dict[str, type[LedgerMachine]] = {
    "moves": LedgerMachine,
    "moves and keys": KeyedMachine,
    "moves and limits": LimitedMachine,
}


@pytest.mark.parametrize("orders", [15, pytest.param(400, marks=pytest.mark.soak)])
@pytest.mark.parametrize("of", MACHINES)
def test_any_order_of_moves_with_a_crash_between_any_two_statements_loses_nothing(
    ledger: str, of: str, orders: int
) -> None:
    machine = type("Machine", (MACHINES[of],), {"alias": ledger})
    with watched(ledger):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=orders,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
