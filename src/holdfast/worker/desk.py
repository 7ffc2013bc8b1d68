"""A thread in which the attempts of many coroutines begin and end; in the one process of the asyncio pool.

Each attempt is Celery's own tracer in a greenlet. Where a thread would wait for the body, the greenlet steps aside:
the tracer is left as it is, with its signals, hooks and moves, and costs no thread while its coroutine waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any

from django.db import connections
from greenlet import getcurrent, greenlet

from holdfast.dispatch.caller import perform

logger = logging.getLogger("holdfast.worker")


class Desk(Executor):
    """Does in one thread, over one database connection, what its attempts leave to it, in order."""

    def __init__(self, number: int) -> None:
        self.attempts = 0
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._hub: Any = None
        self._thread = threading.Thread(
            target=self._serve, name=f"holdfast-desk_{number}", daemon=True
        )
        self._thread.start()

    def begin(self, attempt: Callable[[], object]) -> None:
        """Begin an attempt in a greenlet of its own."""
        self._work.put(lambda: greenlet(attempt).switch())

    def step_aside(self, begin: Callable[[Callable[[], object]], object]) -> None:
        """Let others be served until what `begin` has begun calls what it was given; in an attempt's greenlet."""
        me = getcurrent()
        begin(lambda: self._work.put(me.switch))
        self._hub.switch()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do work that a coroutine wants done in this thread."""
        future: Future[Any] = Future()
        self._work.put(lambda: perform(future, lambda: fn(*args, **kwargs)))
        return future

    def stop(self) -> None:
        """End the thread after what is left to it by now."""
        self._work.put(None)

    def _serve(self) -> None:
        self._hub = getcurrent()
        while (work := self._work.get()) is not None:
            try:
                work()
            except BaseException:
                # As in a pool of threads: whatever an attempt raises here, the others go on.
                logger.exception("An attempt ended in an error that nobody was told of")
        for here in connections.all(initialized_only=True):
            here.close()


def has_open_transaction() -> bool:
    """Tell whether this thread is inside a transaction, on any database."""
    return any(here.in_atomic_block for here in connections.all(initialized_only=True))


def current() -> Any:
    """Return the greenlet that runs."""
    return getcurrent()
