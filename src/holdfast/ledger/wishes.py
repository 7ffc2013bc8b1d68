"""The wish that a running job may stop by itself: asked for by `interventions.cancel`, looked for by its body.

It stands on the job until the attempt leaves. A body that returns all the same has succeeded; one that would go on,
by a retry, a hand-back or a loss, is cancelled instead (`fence.leave`).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from holdfast.ledger.fence import held_by, job_rows
from holdfast.ledger.records import Hold
from holdfast.ledger.states import State


class Standing(Enum):
    """What an attempt finds when it looks at its job."""

    WANTED = "wanted"
    ASKED_TO_STOP = "asked to stop"
    LOST = "lost"


def standing(hold: Hold) -> Standing:
    """Look whether an attempt still stands, and whether somebody asked it to stop: one look by the key."""
    row = held_by(hold).values_list("cancel_asked_at").first()
    if row is None:
        return Standing.LOST
    return Standing.WANTED if row[0] is None else Standing.ASKED_TO_STOP


def asked_among(ids: Iterable[str]) -> set[str]:
    """Return those running jobs that were asked to stop."""
    asked = job_rows().filter(id__in=list(ids), state=State.RUNNING, cancel_asked_at__isnull=False)
    return set(asked.values_list("id", flat=True))


def left_to_cancel(ids: Iterable[str], *, running: bool) -> list[str]:
    """Return those jobs that are open though they were cancelled a moment ago: recorded by one that ended meanwhile."""
    states = [State.HELD, State.QUEUED, *([State.RUNNING] if running else [])]
    rows = job_rows().filter(id__in=list(ids), state__in=states)
    return list(rows.values_list("id", flat=True))
