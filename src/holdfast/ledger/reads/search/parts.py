"""The parts of the table that an index of its own holds, by state: read alone, none of them costs history.

What stands here of an index must be what its definition in `holdfast.ledger.models` says, word for word: SQLite takes
an index for a part only if the statement repeats its condition without parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Job
from holdfast.ledger.states import DEAD_LETTERS, FINAL, State

# Sets up to this size are counted, and sorted in any way.
FEW = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """Jobs in some states, as an index has them."""

    states: frozenset[State]
    """Those that it is asked for; all jobs in them are in parts that have them here."""
    where: str
    order: tuple[str, ...]
    """What the index is in the order of, as `order_by` takes it: what is new first, where it knows."""

    def rows(self) -> QuerySet[Job]:
        """Return its jobs."""
        return job_rows().filter(RawSQL(self.where, [], BooleanField()))  # noqa: S611  # written here, of numbers alone


def _in(states: Iterable[State]) -> str:
    return f"holdfast_job.state IN ({', '.join(str(int(state)) for state in sorted(states))})"


QUEUED = Part(
    frozenset({State.QUEUED}),
    f"holdfast_job.state = {State.QUEUED}",
    ("queue", "priority", "published_at"),
)
RUNNING = Part(frozenset({State.RUNNING}), f"holdfast_job.state = {State.RUNNING}", ("worker",))
# Held until a moment, and held until something happens: a place at a limit, the end of a pause, another job's end.
DUE = Part(
    frozenset({State.HELD}),
    f"holdfast_job.state = {State.HELD} AND holdfast_job.due_at IS NOT NULL",
    ("due_at",),
)
PARKED = Part(
    frozenset({State.HELD}),
    f"holdfast_job.state = {State.HELD} AND holdfast_job.due_at IS NULL",
    ("-id",),
)
DEAD = Part(DEAD_LETTERS, _in(DEAD_LETTERS), ("-finished_at",))
STOPPED = Part(
    frozenset({State.CANCELLED, State.EXPIRED}),
    _in({State.CANCELLED, State.EXPIRED}),
    ("-finished_at",),
)
# The rest of history: what succeeded, and what is among it that others have too.
OVER = Part(
    frozenset({State.SUCCEEDED}),
    f"{_in(FINAL - DEAD_LETTERS)} AND NOT holdfast_job.kept_apart",
    ("-finished_at",),
)
# Of tasks with a retention of their own: by task first.
APART = Part(
    frozenset({State.SUCCEEDED}),
    f"{_in(FINAL - DEAD_LETTERS)} AND holdfast_job.kept_apart",
    ("-task", "-finished_at", "-id"),
)
PARTS = (QUEUED, RUNNING, DUE, PARKED, DEAD, STOPPED, OVER, APART)
# The history is in the others.
SMALL = (QUEUED, RUNNING, DUE, PARKED, DEAD, STOPPED)


def are_few(rows: QuerySet[Job], *order: str) -> bool:
    """Tell whether there are at most 10,000 of these rows; reads no more entries of their index, in its order."""
    rows = rows.order_by(*order)
    if order:
        # What the index has by itself: no row is fetched for it.
        rows = rows.values(order[0].removeprefix("-"))
    return rows[: FEW + 1].count() <= FEW


def covering(states: Iterable[State], parts: Iterable[Part]) -> list[Part]:
    """Return those parts that have jobs in one of these states."""
    wanted = frozenset(states)
    return [part for part in parts if part.states & wanted]
