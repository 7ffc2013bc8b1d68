"""The move of an attempt that asked to come back later; one transaction that may die at any line."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models.functions import Now

from holdfast.exceptions import AttemptLost
from holdfast.ledger import logs
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.fence import leave, mark
from holdfast.ledger.models import Attempt
from holdfast.ledger.records import Hold
from holdfast.ledger.states import Hold as HoldReason
from holdfast.ledger.states import Outcome, State

# A job that looks for something once a minute snoozes for days: its latest attempts tell enough.
SNOOZES_KEPT = 20


def snooze(
    hold: Hold,
    *,
    delay: timedelta | None = None,
    until: datetime | None = None,
    reason: str = "",
) -> None:
    """Put the job back until a later time: counted neither as failure nor as loss.

    Args:
        hold: the attempt.
        delay: how long, by the database's clock.
        until: the moment, in place of `delay`.
        reason: kept with the attempt; of a job's snoozes the latest are kept.

    Raises:
        AttemptLost: the job has moved on, nothing is written.
    """
    with atomic():
        mark(hold)
        left = leave(
            hold,
            Outcome.SNOOZED,
            error=reason,
            state=State.HELD,
            hold=HoldReason.SNOOZE,
            due_at=until if until is not None else Now() + (delay or timedelta()),
            wait_seconds=None if until is not None else (delay or timedelta()).total_seconds(),
            published_at=None,
            worker=None,
        )
        if not left:
            raise AttemptLost(hold.id, hold.token)
        _forget_old_snoozes(hold.id)


def _forget_old_snoozes(job_id: str) -> None:
    snoozed = Attempt.objects.using(alias()).filter(job=job_id, outcome=Outcome.SNOOZED)
    old = dict(snoozed.order_by("-id").values_list("id", "number")[SNOOZES_KEPT:])
    if old:
        Attempt.objects.using(alias()).filter(id__in=list(old)).delete()
        logs.forget(job_id, numbers=old.values())
