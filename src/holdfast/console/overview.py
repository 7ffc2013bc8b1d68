"""The first page: what waits, what runs, who works, what needs attention."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from holdfast.console.pages import page
from holdfast.ledger.reads import queue_reads, worker_reads


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One queue with open jobs or a worker."""

    name: str
    waiting: int
    more: bool
    """Whether more wait than were counted."""
    oldest_seconds: float | None
    running: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewPage:
    """What waits, what runs and who works, at about this moment."""

    waiting: int
    running: int
    oldest_seconds: float | None
    workers: int
    slots: int
    queues: list[QueueRow]


@page("", name="overview", title=_("Overview"), template="holdfast/overview.html")
def overview(_request: HttpRequest) -> OverviewPage:
    """Show the whole at one look."""
    queues = [
        QueueRow(
            name=queue.name,
            waiting=queue.total,
            more=queue.more,
            oldest_seconds=queue.oldest_seconds,
            running=queue.running,
            workers=len(queue.workers),
        )
        for queue in queue_reads.queues()
    ]
    workers = worker_reads.workers()
    return OverviewPage(
        waiting=sum(queue.waiting for queue in queues),
        running=sum(queue.running for queue in queues),
        oldest_seconds=max((q.oldest_seconds or 0.0 for q in queues), default=None),
        workers=len(workers),
        slots=sum(worker.slots for worker in workers),
        queues=queues,
    )
