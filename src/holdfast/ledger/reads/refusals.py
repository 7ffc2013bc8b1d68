"""Why a ticket did not become an attempt: read off the row when a claim has left it; in workers."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Case, When
from django.db.models.functions import Now

from holdfast.ledger import pauses
from holdfast.ledger.database import alias
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Worker
from holdfast.ledger.records import Refusal
from holdfast.ledger.states import State


def refusals(
    missed: dict[str, tuple[str, int, bool]],
    *,
    worker: UUID,
    losses_below: int,
    skipped_locked: bool,
) -> dict[str, Refusal]:
    """Return by job why a claim of (id, token, ahead) did not take it, as the row says now."""
    standing = (
        Worker.objects.using(alias())
        .filter(id=worker, lost_at=None, lease_until__gt=Now())
        .exists()
    )
    rows = {
        row["id"]: row
        for row in job_rows()
        .filter(id__in=missed)
        .values(
            "id",
            "state",
            "token",
            "suspect",
            "losses",
            "queue",
            "task",
            late=Case(When(expires_at__lte=Now(), then=True), default=False),
        )
    }
    paused = pauses.paused()
    why: dict[str, Refusal] = {}
    for id, (_, token, ahead) in missed.items():
        row = rows.get(id)
        if row is None:
            why[id] = Refusal.UNKNOWN
        elif row["token"] != token or row["state"] != State.QUEUED:
            why[id] = Refusal.STALE
        elif row["late"]:
            why[id] = Refusal.EXPIRED
        elif ("queue", row["queue"]) in paused or ("task", row["task"]) in paused:
            why[id] = Refusal.PAUSED
        elif not standing:
            why[id] = Refusal.NO_LEASE
        elif row["losses"] >= losses_below:
            why[id] = Refusal.LAST_CHANCE
        elif ahead and row["suspect"]:
            why[id] = Refusal.SUSPECT
        else:
            why[id] = Refusal.LOCKED if skipped_locked else Refusal.NO_LEASE
    return why
