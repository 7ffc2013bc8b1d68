"""What all watchers of the console see: figures, queues and troubles at one moment, read once for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.console import sources  # noqa: F401  # registers what the attention list looks at
from holdfast.console.attention import Attention, Seen, Trouble
from holdfast.console.numbers import grouped
from holdfast.console.recent import Recent
from holdfast.ledger import minutes
from holdfast.ledger.reads import queue_reads, rates, worker_reads
from holdfast.ledger.reads.queue_reads import Queue
from holdfast.ledger.reads.rates import Point, Tail
from holdfast.ledger.tallies import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The whole in some numbers; times in seconds, percentiles are estimates that may be a quarter off."""

    ended_per_second: float = 0.0
    """Jobs that ended in the last minute, by the second."""
    succeeded: int = 0
    """In the last minute; as the next two."""
    failed: int = 0
    retried: int = 0
    wait_p50: float | None = None
    """How long the jobs that ended in the last minute had waited for a worker."""
    wait_p95: float | None = None
    run_p50: float | None = None
    run_p95: float | None = None
    queued: int = 0
    queued_more: bool = False
    """Whether more are queued than were counted: no list is counted beyond 10,000."""
    oldest_seconds: float | None = None
    running: int = 0
    workers: int = 0
    slots: int = 0
    busy: int = 0
    """Slots that run a job, as far as the ledger knows: a worker claims short jobs ahead of its slots."""

    @property
    def busy_share(self) -> float | None:
        """Busy slots of all; None without workers."""
        return self.busy / self.slots if self.slots else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The whole at one moment.

    Attributes:
        version: rises with each snapshot of this process.
        at: when it was taken, by the database's clock; None: there is none yet.
        error: why this one is as old as it is; empty if it is fresh.
        by_queue: what ended in the last minute.
        tail: what ended since the last minute that was counted for all.
    """

    version: int = 0
    at: datetime | None = None
    error: str = ""
    figures: Figures = field(default_factory=Figures)
    queues: tuple[Queue, ...] = ()
    by_queue: Mapping[str, Tally] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    tail: Tail | None = None

    @property
    def trouble_count(self) -> int:
        """How many troubles there are, notes left aside."""
        return sum(trouble.severity > 1 for trouble in self.troubles)


class Camera:
    """Takes snapshots; remembers what the next one need not read again. Used by one thread at a time."""

    def __init__(self, *, attention: Attention | None = None, recent: Recent | None = None) -> None:
        self._attention = attention or Attention()
        self._recent = recent or Recent()

    def take(self) -> Snapshot:
        """Read the whole.

        Some statements for each queue that has queued jobs, some more for all; the ends since the last snapshot are
        read once. Queues are counted up to 10,000 jobs each.
        """
        now = minutes.now()
        self._recent.go_on(now)
        queues = queue_reads.queues(held=False)
        workers = worker_reads.workers()
        ended, seconds = self._recent.last_minute()
        last = rates.point(ended, at=now, seconds=seconds)
        return Snapshot(
            at=now,
            figures=_figures(queues, workers, last),
            queues=tuple(queues),
            by_queue=self._recent.by_queue(),
            troubles=tuple(self._attention.look(Seen(now=now, queues=queues, workers=workers))),
            tail=self._recent.tail(counted_until=minutes.counted_until(now=now)),
        )


def _figures(queues: list[Queue], workers: list[worker_reads.LiveWorker], last: Point) -> Figures:
    running = Counter(worker_reads.running_by_worker())
    return Figures(
        ended_per_second=last.per_second,
        succeeded=last.succeeded,
        failed=last.failed,
        retried=last.retried,
        wait_p50=last.wait.p50,
        wait_p95=last.wait.p95,
        run_p50=last.run.p50,
        run_p95=last.run.p95,
        queued=sum(queue.total for queue in queues),
        queued_more=any(queue.more for queue in queues),
        oldest_seconds=max(
            (queue.oldest_seconds for queue in queues if queue.oldest_seconds is not None),
            default=None,
        ),
        running=sum(queue.running for queue in queues),
        workers=len(workers),
        slots=sum(worker.slots for worker in workers),
        busy=sum(min(worker.slots, running[worker.id]) for worker in workers),
    )


def texts(figures: Figures) -> dict[str, Any]:
    """Return the figures as a page writes them, by name."""
    from holdfast.console.tags import count, duration, percent

    return {
        "ended_per_second": f"{grouped(float(figures.ended_per_second))}/s",
        "failed": count(figures.failed),
        "wait_p50": duration(figures.wait_p50),
        "wait_p95": duration(figures.wait_p95),
        "run_p50": duration(figures.run_p50),
        "run_p95": duration(figures.run_p95),
        "queued": count(figures.queued) + ("+" if figures.queued_more else ""),
        "oldest": duration(figures.oldest_seconds),
        "running": count(figures.running),
        "workers": count(figures.workers),
        "busy": percent(figures.busy_share),
    }
