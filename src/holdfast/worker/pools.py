"""Makes the pool of a worker larger and smaller, and stops nothing that runs; in the event loop's thread.

What if the process dies here? A pool is no state: the next worker begins with the size it was started with.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.thread import TaskPool as ThreadPool

from holdfast.worker import processes


def why_fixed(pool: Any) -> str:
    """Return why a pool cannot be made larger or smaller; empty if it can."""
    if isinstance(pool, ThreadPool) or (hasattr(pool, "grow") and hasattr(pool, "shrink")):
        return ""
    name = type(pool).__module__.rpartition(".")[2]
    return f"its pool ({name}) has a fixed number of slots: start it with another -c"


def resize(pool: Any, slots: int, *, running: int) -> None:
    """Give a pool so many slots; fewer only as far as those that go are idle.

    Args:
        pool: Celery's pool.
        slots: how many it shall have.
        running: how many jobs it has been given that have not ended.
    """
    change = slots - pool.num_processes
    if change > 0:
        _grow(pool, change)
    elif change < 0:
        _shrink(pool, min(-change, pool.num_processes - running))


def has_spare_threads(pool: Any) -> bool:
    """Tell whether a pool of threads has more of them than slots: one to which too much is given runs too much."""
    return isinstance(pool, ThreadPool) and pool.executor._max_workers > pool.limit


def _grow(pool: Any, slots: int) -> None:
    if isinstance(pool, ThreadPool):
        pool.limit += slots
        # The standard library has no public word for it, and reads it whenever something is submitted.
        pool.executor._max_workers = max(pool.executor._max_workers, pool.limit)
        return
    pool.grow(slots)
    if hasattr(pool, "maintain_pool"):
        pool.maintain_pool()


def _shrink(pool: Any, slots: int) -> None:
    if slots <= 0:
        return
    found = getattr(pool, "_pool", None)
    if isinstance(found, AsynPool):
        processes.end_idle(found, slots)
    elif isinstance(pool, ThreadPool):
        # Its threads stay: one that has no job waits for one.
        pool.limit -= slots
    else:
        with suppress(ValueError):  # fewer are idle
            pool.shrink(slots)
