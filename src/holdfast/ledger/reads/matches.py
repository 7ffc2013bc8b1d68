"""How many jobs an operation would move, and a few of them: looked at before it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from holdfast.ledger.database import dialect
from holdfast.ledger.matching import Matching
from holdfast.ledger.states import State

# Counted up to here.
MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One of the jobs that an operation would move."""

    id: str
    task: str
    queue: str
    state: str
    recorded_at: datetime


def count(wanted: Matching, states: frozenset[int]) -> tuple[int, bool]:
    """Return how many jobs match that are in one of these states, and whether that is all of them.

    At most 10,000 are counted.
    """
    rows = wanted.rows(now=dialect().now()).filter(state__in=sorted(states))
    found = rows.order_by().values("id")[: MOST + 1].count()
    return min(found, MOST), found <= MOST


def samples(wanted: Matching, states: frozenset[int], *, limit: int) -> list[Sample]:
    """Return a few of these jobs, in no particular order."""
    rows = wanted.rows(now=dialect().now()).filter(state__in=sorted(states))
    names = ("id", "task", "queue", "state", "recorded_at")
    return [
        Sample(**{**row, "state": State(row["state"]).name.lower()})
        for row in rows.order_by().values(*names)[:limit]
    ]
