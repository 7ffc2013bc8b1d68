"""What attempts leave for the next one to go on from; each function is one transaction, or part of the open one.

A checkpoint is written by an attempt that stands, under the lock of its job: nobody else takes the job before that
transaction is over, so what is committed with a checkpoint happens once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet
from django.db.models.functions import Now

from holdfast.exceptions import AttemptLost
from holdfast.ledger.connections.aside import has_transaction
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.fence import held_by, lock, mark
from holdfast.ledger.models.checkpoints import Checkpoint
from holdfast.ledger.records import Hold


def save(hold: Hold, state: str) -> None:
    """Write what the next attempt is to go on from, in place of what was there.

    Raises:
        AttemptLost: the attempt does not stand any more; nothing is written.
    """
    if has_transaction():
        # The lock lasts as long as the caller's transaction: a rescuer must be able to end it.
        mark(hold)
    with atomic():
        if not lock(held_by(hold)).exists():
            raise AttemptLost(hold.id, hold.token)
        _rows().bulk_create(
            [Checkpoint(job=hold.id, state=state, token=hold.token, at=Now())],
            update_conflicts=True,
            unique_fields=["job"],
            update_fields=["state", "token", "at"],
        )


def load(job_id: str) -> str | None:
    """Return what the job's attempts left last."""
    return _rows().filter(job=job_id).values_list("state", flat=True).first()


def saved_at(job_id: str) -> datetime | None:
    """Return when that was."""
    return _rows().filter(job=job_id).values_list("at", flat=True).first()


def clear(job_ids: Iterable[str]) -> None:
    """Let the next attempts of these jobs begin at the start."""
    _rows().filter(job__in=list(job_ids)).delete()


def _rows() -> QuerySet[Checkpoint]:
    return Checkpoint.objects.using(alias())
