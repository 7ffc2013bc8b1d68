"""What there is to do for the worker that acts for all: one statement, which keeps its duty too where that is due.

Every answer is the first entry of a small index. They are asked for in the order of their index: without it the
planner may read the history to find one of so many.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from holdfast.ledger.database import connection
from holdfast.ledger.models.limits import Place
from holdfast.ledger.states import State

UPKEEP = "upkeep"

_SECONDS_TO = {
    "postgresql": "extract(epoch FROM %s - clock_timestamp())::float8",
    "sqlite": "(julianday(%s) - julianday('now')) * 86400.0",
}
_NEXT_DUE = f"""(SELECT due_at FROM holdfast_job WHERE state = {State.HELD} AND due_at IS NOT NULL
                 ORDER BY due_at LIMIT 1)"""
_FIRSTS = {
    "queued": f"holdfast_job WHERE state = {State.QUEUED} ORDER BY queue, priority, published_at",
    "running": f"holdfast_job WHERE state = {State.RUNNING} ORDER BY worker",
    "unsettled": "holdfast_job WHERE unsettled ORDER BY finished_at",
    "batches": "holdfast_batch WHERE watched ORDER BY id",
    "lined_up": f"holdfast_limited WHERE place = {Place.WAITING} ORDER BY name, key, rank, id",
    "let_in": f"holdfast_limited WHERE place = {Place.ADMITTED} ORDER BY name, key",
    "shelved": "holdfast_shelved ORDER BY queue, task, job",
    "failures": "holdfast_attempt WHERE uncounted ORDER BY id",
    "operations": "holdfast_operation WHERE state = 'running' ORDER BY id",
}
_LATER = {
    "postgresql": "clock_timestamp() + %s * interval '1 second'",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s || ' seconds')",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Which kinds of work the ledger holds at this instant."""

    due_seconds: float | None = None
    """Until the next held job is due, by the database's clock; negative if it is overdue."""
    queued: bool = False
    running: bool = False
    unsettled: bool = False
    """A job ended without its own attempt, and who waits for it has not been told."""
    batches: bool = False
    """A batch may have an open member."""
    lined_up: bool = False
    """A job waits at a limit."""
    let_in: bool = False
    """A job was admitted by a limit, and nobody has told of its end."""
    shelved: bool = False
    """A job is held for a pause."""
    failures: bool = False
    """An attempt has failed, and is not counted by its cause yet."""
    operations: bool = False
    """Somebody asked for something to be done to many jobs, and it is not done yet."""

    @property
    def none(self) -> bool:
        """Whether nothing is under way: jobs that are held for later may be there all the same."""
        due = self.due_seconds is not None and self.due_seconds <= 0
        kinds = (self.queued, self.running, self.unsettled, self.batches, self.lined_up)
        return not (due or any(kinds) or self.let_in or self.shelved or self.operations)


def look() -> Work:
    """Tell what there is to do."""
    with connection().cursor() as cursor:
        cursor.execute(f"SELECT {_answers()}", [])
        return _read(cursor.fetchone())


def keep(worker: UUID, *, seconds: float) -> Work | None:
    """Keep the duty of upkeep for so long and tell what there is to do; None: the duty is another worker's."""
    here = connection()
    # Which text or number SQLite takes for a uuid and a time is Django's choice.
    holder = worker if here.vendor == "postgresql" else worker.hex
    later = seconds if here.vendor == "postgresql" else str(seconds)
    with here.cursor() as cursor:
        cursor.execute(
            f"UPDATE holdfast_duty SET until = {_LATER[here.vendor]}, seconds = %s "
            f"WHERE name = '{UPKEEP}' AND holder = %s RETURNING {_answers()}",
            [later, seconds, holder],
        )
        row = cursor.fetchone()
        return _read(row) if row else None


def _answers() -> str:
    vendor = connection().vendor
    firsts = (f"(SELECT 1 FROM {first} LIMIT 1) IS NOT NULL" for first in _FIRSTS.values())
    return ", ".join([_SECONDS_TO[vendor] % _NEXT_DUE, *firsts])


def _read(row: tuple[float | None, ...]) -> Work:
    return Work(due_seconds=row[0], **dict(zip(_FIRSTS, map(bool, row[1:]), strict=True)))
