"""What a worker hears at every renewal of its lease, as parts of the statement in both databases.

SQLite knows the row that is updated by the name of its table alone.
"""

from __future__ import annotations

from typing import Any

from holdfast.ledger import clocks
from holdfast.ledger.duty import UPKEEP
from holdfast.ledger.records import Beat
from holdfast.ledger.states import State

STANDING = """(SELECT %s FROM holdfast_worker o
    WHERE o.lost_at IS NULL AND o.stopped_at IS NULL AND o.id <> holdfast_worker.id)"""
_RUNS_AT = f"(SELECT 1 FROM holdfast_job j WHERE j.state = {State.RUNNING} AND j.worker = %s ORDER BY j.worker LIMIT 1)"
BOOKED = f"{_RUNS_AT % 'holdfast_worker.id'} IS NOT NULL"
# By the index for each of them: the planner could read the whole table to join them.
LEFT_BEHIND = f"""(SELECT 1 FROM holdfast_worker o
    WHERE (o.lost_at IS NOT NULL OR o.stopped_at IS NOT NULL) AND {_RUNS_AT % "o.id"} IS NOT NULL LIMIT 1
    ) IS NOT NULL"""


def lapse(vendor: str) -> str:
    """Return when the first of the others' leases ends."""
    return STANDING % f"min({clocks.end(vendor, 'o.lease_until', 'o.lease_seconds')})"


def duty_until(vendor: str) -> str:
    """Return when the duty of upkeep ends; where nobody has it there is no answer."""
    until = clocks.end(vendor, "d.until", "d.seconds")
    return (
        f"(SELECT {until} FROM holdfast_duty d WHERE d.name = '{UPKEEP}' AND d.holder IS NOT NULL)"
    )


def beat_of(row: tuple[Any, ...]) -> Beat:
    """Read the row; where there is no duty it is free."""
    now, others, lapse, left_behind, booked, duty = row
    return Beat(
        now=now,
        others=int(others),
        lapse_seconds=lapse,
        left_behind=bool(left_behind),
        booked=bool(booked),
        duty_seconds=0.0 if duty is None else duty,
    )
