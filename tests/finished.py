"""Finished jobs for tests of what is counted: put into the ledger as they would be after some time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from holdfast.conf import get_settings
from holdfast.ledger import transitions
from holdfast.ledger.models import Job
from holdfast.ledger.states import State
from tests.rows import new_job


def finished(
    count: int = 1,
    *,
    at: datetime,
    state: State = State.SUCCEEDED,
    task: str = "t",
    queue: str = "q",
    wait: float = 0.01,
    run: float = 0.1,
    **more: Any,
) -> list[str]:
    """Record jobs that ended at a moment, after they waited and ran for so many seconds; return their ids."""
    tickets = transitions.record([new_job(task=task, queue=queue) for _ in range(count)])
    began = at - timedelta(seconds=run)
    ids = [ticket.id for ticket in tickets]
    Job.objects.using(get_settings().database).filter(id__in=ids).update(
        state=state,
        published_at=began - timedelta(seconds=wait),
        started_at=began,
        finished_at=at,
        **({"attempts": 1} | more),
    )
    return ids
