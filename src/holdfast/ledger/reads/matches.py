"""How many jobs an operation would move, and a few of them: looked at before it is asked for."""

from __future__ import annotations

from dataclasses import replace

from holdfast.ledger.database import dialect
from holdfast.ledger.reads.search.bodies import Examination
from holdfast.ledger.reads.search.conditions import fitting
from holdfast.ledger.reads.search.counts import by_state
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.listing import JobRow, listing, matches
from holdfast.ledger.reads.search.parts import DEAD
from holdfast.ledger.states import DEAD_LETTERS, State

# Dead letters of one cause are counted up to here, and up to there where each job must be looked at.
MOST = 10_000
MOST_LOOKED_AT = 2_000
BUDGET_SECONDS = 0.15


def count(
    wanted: JobFilter, states: frozenset[int], *, examination: Examination | None
) -> tuple[int, bool]:
    """Return how many jobs fit that are in one of these states, and whether that is exact.

    If it is not, it is an estimate, or there may be more: see `by_state`. The cost is bounded at any size.
    """
    if not states:
        return 0, True
    wanted = replace(wanted, states=tuple(State(state) for state in sorted(states)))
    if wanted.fingerprint and states <= DEAD_LETTERS and not wanted.looks_into_bodies:
        letters = DEAD.rows().filter(finished_at__isnull=False)
        rows = fitting(letters, wanted, now=dialect().now()).order_by("finished_at")
        found = rows.values("id")[: MOST + 1].count()
        return min(found, MOST), found <= MOST
    if numbers := by_state(wanted):
        each = [numbers[State(state)] for state in states]
        return sum(number.count for number in each), all(number.exact for number in each)
    some = matches(
        wanted, limit=MOST_LOOKED_AT, examination=examination, budget_seconds=BUDGET_SECONDS
    )
    return len(some.tokens), some.more is None


def samples(
    wanted: JobFilter, states: frozenset[int], *, examination: Examination | None, limit: int
) -> list[JobRow]:
    """Return a few of these jobs, those that came or ended last."""
    if not states:
        return []
    wanted = replace(wanted, states=tuple(State(state) for state in sorted(states)))
    return listing(wanted, limit=limit, examination=examination).rows
