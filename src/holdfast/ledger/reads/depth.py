"""How much waits in some queues, counted as far as it makes a difference: for those who ask every few seconds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Count, Max, Min
from django.db.models.functions import Now

from holdfast.ledger.fence import job_rows
from holdfast.ledger.states import State


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits in some queues together, by the database's clock."""

    waiting: int
    oldest_seconds: float
    """For how long the oldest of the counted ones has been on the broker; 0 where none is."""


def depth(queues: Collection[str], *, most: int) -> Depth:
    """Count the queued jobs of some queues, `most` of them at the most.

    A statement for each queue, until so many are found: together they read as many entries of the index of queued jobs,
    whatever waits behind those. Where all were counted the oldest is the oldest of all.
    """
    waiting, oldest_seconds = 0, 0.0
    for queue in sorted(queues):
        rows = job_rows().filter(state=State.QUEUED, queue=queue)
        found = rows.order_by("priority", "published_at")[: most - waiting].aggregate(
            waiting=Count("id"), oldest=Min("published_at"), now=Max(Now())
        )
        waiting += found["waiting"]
        if found["oldest"] is not None:
            waited = (found["now"] - found["oldest"]).total_seconds()
            oldest_seconds = max(oldest_seconds, waited)
        if waiting >= most:
            break
    return Depth(waiting, oldest_seconds)
