"""What `manage.py holdfast top` prints where rich is not installed: one look as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.console.snapshots import Snapshot, texts
from holdfast.console.tags import duration
from holdfast.ledger.reads.worker_reads import LiveWorker


def text(snapshot: Snapshot, workers: Sequence[LiveWorker]) -> str:
    """Return one look as text: figures, what needs attention, queues and workers, a line each."""
    return "\n".join(_lines(snapshot, workers))


def _lines(snapshot: Snapshot, workers: Sequence[LiveWorker]) -> Iterator[str]:
    when = snapshot.at.strftime("%Y-%m-%d %H:%M:%S UTC") if snapshot.at else "nothing seen yet"
    yield f"Holdfast {when}  {snapshot.error}".rstrip()
    said = texts(snapshot.figures)
    yield (
        f"{said['ended_per_second']} done, {said['failed']} failed in a minute, {said['queued']} queued, the oldest "
        f"{said['oldest']}, {said['running']} running"
    )
    for trouble in snapshot.troubles:
        yield f"{trouble.severity.label}: {trouble.sentence}"
    for queue in sorted(snapshot.queues, key=lambda queue: (-queue.total, queue.name)):
        served = "no worker" if queue.unserved else ", ".join(queue.workers)
        more = "+" if queue.more else ""
        yield (
            f"queue {queue.name}: {queue.total:,}{more} waiting, the oldest {duration(queue.oldest_seconds)}, "
            f"{queue.running:,} running, served by {served or 'nobody'}"
        )
    for worker in workers:
        yield (
            f"worker {worker.name}: {worker.state}, {worker.pool}, {worker.slots} slots, "
            f"queues {', '.join(worker.queues)}, heard {duration(worker.heard_seconds)} ago"
        )
