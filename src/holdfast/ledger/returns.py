"""Jobs of attempts that were cut off, put back on their queues: many with one commit, for a worker may hold hundreds.

What if it dies here? Before the commit they all stand as they stood. After it they are queued, and whoever finds their
tickets missing publishes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from holdfast.conf import get_settings
from holdfast.ledger import logs, lost_spans
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.fence import FAILURES, RISE, WORKER_NAME, attempt_of, job_rows, lock
from holdfast.ledger.fingerprints import fingerprint
from holdfast.ledger.models import Attempt
from holdfast.ledger.records import Hold, Ticket
from holdfast.ledger.states import Outcome, State
from holdfast.spans import By

MOST = 100
_COLUMNS = (
    "id",
    "attempts",
    "token",
    "worker",
    "started_at",
    "cancel_asked_at",
    "losses",
    "task",
    "queue",
    "priority",
)


@dataclass(frozen=True, slots=True)
class Cut:
    """An attempt that was cut off, and whether that counts as a loss."""

    hold: Hold
    counts: bool = False
    killed: bool = False
    """Whether its body had begun, and its process can tell of it no more."""


@dataclass(slots=True)
class Returned:
    """What became of attempts that were cut off."""

    tickets: list[Ticket] = field(default_factory=list)
    """To be published: their jobs are queued again."""
    apart: list[Cut] = field(default_factory=list)
    """To be moved one by one: asked to stop, or without a loss left."""
    missed: list[Cut] = field(default_factory=list)
    """Moved on, or locked by somebody."""


def put_back(cut: Sequence[Cut], *, outcome: str, error: str) -> Returned:
    """Queue the jobs of attempts that stand, unless somebody has locked them; at most `MOST` at a time.

    After a loss, counted or not, the next attempt gets a slot to itself.
    """
    lost = outcome == Outcome.LOST
    most = get_settings().max_lost_attempts
    wanted = {one.hold.id: one for one in cut}
    found = Returned()
    with atomic():
        running = job_rows().filter(id__in=wanted, state=State.RUNNING)
        rows: list[dict[str, Any]] = []
        for row in lock(running, wait=False).values(*_COLUMNS, worker_name=WORKER_NAME):
            one = wanted[row["id"]]
            if (row["token"], row["worker"]) != (one.hold.token, one.hold.worker):
                continue
            del wanted[row["id"]]
            if row["cancel_asked_at"] or (lost and row["losses"] + one.counts >= most):
                found.apart.append(one)
                continue
            rows.append(row | {"counts": one.counts, "killed": one.killed})
            logs.keep(one.hold, number=row["attempts"])
        Attempt.objects.using(alias()).bulk_create(
            attempt_of(
                row["id"],
                row,
                outcome,
                error=error,
                cause=fingerprint(row["task"], FAILURES[outcome]) if outcome in FAILURES else "",
            )
            for row in rows
        )
        if lost:
            lost_spans.tell([row["id"] for row in rows], cause=error)
        elif killed := [row["id"] for row in rows if row["killed"]]:
            lost_spans.tell(killed, cause=error, by=By.STOP)
        changes: dict[str, Any] = {
            "state": State.QUEUED,
            "token": RISE,
            "worker": None,
            "published_at": Now(),
        }
        for counts in (False, True):
            ids = [row["id"] for row in rows if row["counts"] == counts]
            marks: dict[str, Any] = (
                {"suspect": True, "losses": F("losses") + int(counts)} if lost else {}
            )
            if ids:
                job_rows().filter(id__in=ids).update(**changes, **marks)
    found.missed = list(wanted.values())
    found.tickets = [
        Ticket(row["id"], row["token"] + 1, row["task"], row["queue"], row["priority"])
        for row in rows
    ]
    return found
