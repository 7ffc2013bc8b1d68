"""Operations on all jobs that match a filter: asked for by people, listed, stopped; worked off by `slices`.

What if it dies here? An operation is one row, written with its line of the audit. Whoever has the duty of upkeep works
it off, and goes on where the last committed slice ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from holdfast.ledger import audit, batches
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.models.operations import RUNNING, Operation
from holdfast.ledger.states import DEAD_LETTERS, FINAL, OPEN, State

__all__ = ["DONE", "FAILED", "KINDS", "RUNNING", "STOPPED", "OperationRow"]

REPLAY, CANCEL, DISCARD, QUEUE, PRIORITY, PURGE, CANCEL_BATCH, REPLAY_BATCH = KINDS = (
    "replay",
    "cancel",
    "discard",
    "queue",
    "priority",
    "purge",
    "cancel-batch",
    "replay-batch",
)
DONE, STOPPED, FAILED = "done", "stopped", "failed"
# What becomes of running jobs of an operation that cancels.
LEAVE, ASK, STOP = RUNNING_JOBS = ("leave", "ask", "stop")
WAITING = frozenset({State.HELD, State.QUEUED})


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """An operation as it stands."""

    id: int
    kind: str
    state: str
    """running, done, stopped or failed."""
    filter: dict[str, Any]
    options: dict[str, Any]
    actor: str
    reason: str
    asked_at: datetime
    worked_at: datetime | None
    """When its last slice was worked off; None before the first."""
    ended_at: datetime | None
    total: int
    """How many jobs matched when it was asked for."""
    total_exact: bool
    """Whether they were counted, and not estimated."""
    done: int
    skipped: int
    """Matched, and left alone: moved by somebody else meanwhile, or there already."""
    failed: int
    """Could not be moved; `error` is what the last one said."""
    put_off: int
    """Held by somebody's transaction when they were looked at; they are looked at again."""
    error: str

    @property
    def share(self) -> float:
        """How much of it is worked off, 0.0 to 1.0; an estimate where the total is one."""
        if self.state == DONE:
            return 1.0
        seen = self.done + self.skipped + self.failed
        return min(1.0, seen / self.total) if self.total else 0.0


def states_for(kind: str, options: Mapping[str, Any], named: frozenset[int]) -> frozenset[int]:
    """Return the states a job is in that an operation of this kind moves.

    Args:
        kind: one of `KINDS`.
        options: of the operation.
        named: the states its filter names; none: it names none. What has not failed is replayed only where it is
            named: nobody means the jobs that have succeeded.
    """
    if kind == REPLAY:
        moved: frozenset[int] = FINAL if named else DEAD_LETTERS
    elif kind in {DISCARD, REPLAY_BATCH}:
        moved = DEAD_LETTERS
    elif kind in {CANCEL, CANCEL_BATCH}:
        moved = OPEN if options.get("running", LEAVE) != LEAVE else WAITING
    else:
        moved = WAITING
    return moved & named if named else moved


def ask(
    kind: str,
    *,
    filter: Mapping[str, Any],
    options: Mapping[str, Any],
    actor: str,
    reason: str = "",
    total: int = 0,
    total_exact: bool = False,
) -> int:
    """Write an operation for whoever has the duty; return its id. The audit gets a line in the same transaction."""
    with atomic():
        row = Operation.objects.using(alias()).create(
            kind=kind,
            filter=json.dumps(filter, default=str),
            options=json.dumps(options),
            actor=actor[:255],
            reason=reason,
            asked_at=Now(),
            total=total,
            total_exact=total_exact,
        )
        said = {"operation": row.id, "kind": kind, "selected": dict(filter), **options}
        if reason:
            said["reason"] = reason
        detail = json.dumps(said, default=str)
        audit.note("operation", actor=actor, count=total if total_exact else None, detail=detail)
    return int(row.id)


def stop(id: int, *, actor: str) -> bool:
    """Let an operation move no more jobs once this has committed; False: it was over, or there is none.

    Waits for the slice that is under way: what that one moves is moved.
    """
    return end(id, STOPPED, actor=actor)


def end(id: int, state: str, *, actor: str, error: str = "") -> bool:
    """End an operation that runs, with its counts in a line of the audit; False: it did not run."""
    with atomic():
        row = rows().select_for_update().filter(id=id, state=RUNNING).first()
        if row is None:
            return False
        row.state, row.ended_at, row.error = state, Now(), error or row.error
        row.save(using=alias(), update_fields=["state", "ended_at", "error"])
        note_end(row, state, actor=actor)
        return True


def cancel_batch(
    batch_id: str, *, options: Mapping[str, Any], actor: str, reason: str, total: int, exact: bool
) -> int:
    """Write an operation that cancels the members of a batch, and note at once that it is cancelled.

    What is added to it from then on is cancelled too. Until the operation is over no loop cancels its members.
    """
    with atomic():
        operation = ask(
            CANCEL_BATCH,
            filter={"batch": batch_id},
            options=options,
            actor=actor,
            reason=reason,
            total=total,
            total_exact=exact,
        )
        batches.hand_over(tree_of(batch_id), operation=operation)
    return operation


def tree_of(batch_id: str) -> list[str]:
    """Return a batch and the batches inside it."""
    return [batch_id, *batches.inner(batch_id)]


def note_end(row: Operation, state: str, *, actor: str) -> None:
    """Write the line of an operation that has ended, in the transaction that ends it; let go of what it had."""
    if row.kind == CANCEL_BATCH:
        ids = tree_of(json.loads(row.filter)["batch"])
        batches.take_back(ids, operation=row.id, undone=state == STOPPED)
    said: dict[str, Any] = {"operation": row.id, "kind": row.kind, "state": state}
    said |= {"skipped": row.skipped, "failed": row.failed}
    if row.error:
        said["error"] = row.error
    detail = json.dumps(said)
    audit.note("operation ended", actor=actor, count=row.done, detail=detail)


def find(id: int) -> OperationRow | None:
    """Return an operation."""
    row = rows().filter(id=id).first()
    return None if row is None else _shown(row)


def listed(*, limit: int, before: int | None = None) -> list[OperationRow]:
    """Return operations, newest first; with `before` those that are older than the one of this id."""
    found = rows() if before is None else rows().filter(id__lt=before)
    return [_shown(row) for row in found.order_by("-id")[:limit]]


def running(*, limit: int = 100) -> list[OperationRow]:
    """Return operations that are under way, oldest first."""
    return [_shown(row) for row in rows().filter(state=RUNNING).order_by("id")[:limit]]


def prune(*, older_than: timedelta, limit: int) -> int:
    """Delete one batch of operations that ended long ago; return how many."""
    old = rows().filter(ended_at__lt=Now() - older_than).order_by("ended_at")
    return rows().filter(id__in=list(old.values_list("id", flat=True)[:limit])).delete()[0]


def rows() -> QuerySet[Operation]:
    """Return all operations."""
    return Operation.objects.using(alias())


def _shown(row: Operation) -> OperationRow:
    names = ("id", "kind", "state", "actor", "reason", "asked_at", "worked_at", "ended_at")
    counts = ("total", "total_exact", "done", "skipped", "failed", "error")
    return OperationRow(
        **{name: getattr(row, name) for name in (*names, *counts)},
        filter=json.loads(row.filter),
        options=json.loads(row.options),
        put_off=len(json.loads(row.put_off)),
    )
