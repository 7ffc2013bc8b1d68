"""Celery's pool for coroutines: thousands of `async def` jobs wait at once in one process.

    CELERY_CUSTOM_WORKER_POOL=holdfast.worker.aio:TaskPool celery -A proj worker -P custom -c 1000

Bodies run in the process's event loop, the attempts around them at a few desks. Sync tasks that come here run in a few
threads. What if the process dies? The lease gives all it ran to others; a coroutine is nothing that survives.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery.concurrency.base import BasePool, apply_target
from celery.exceptions import SoftTimeLimitExceeded
from celery.utils.threads import USE_FAST_LOCALS

from holdfast.conf import get_settings
from holdfast.dispatch.bodies import Body, waiting
from holdfast.dispatch.loop import loop_thread
from holdfast.exceptions import AttemptLost, ConfigurationError

try:
    from holdfast.worker.desk import Desk, current, has_open_transaction
except ImportError as error:
    raise ConfigurationError(
        "The asyncio pool needs greenlet, and it is not installed: pip install 'holdfast[aio]'."
    ) from error

logger = logging.getLogger("holdfast.worker")
# Above every process id, which nobody may take these numbers for.
FIRST_NUMBER = 1 << 40
LEAVE_SECONDS = 3.0
IN_TRANSACTION = (
    "Task {!r} opens a transaction around its coroutine, such as in __call__: on the asyncio pool other "
    "jobs use the same connection while it waits. Open it inside: await sync_to_async(function)()."
)


class TaskPool(BasePool):
    """Runs coroutine bodies in one event loop, and sync ones in a few threads."""

    signal_safe = False
    body_can_be_buffer = True
    # What waits for a place in this process may be taken away meanwhile.
    begins_late = True

    limit: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._numbers = itertools.count(FIRST_NUMBER)
        self._attempts: dict[int, Attempt] = {}
        self._changed = threading.Condition()
        self._desks: list[Desk] = []
        self._threads: ThreadPoolExecutor

    def on_start(self) -> None:
        """Start the event loop, the desks and the threads."""
        if USE_FAST_LOCALS:
            raise ConfigurationError(
                "USE_FAST_LOCALS is set: Celery then keeps one current request for each thread, and here many "
                "jobs share one. Unset it for workers of this pool."
            )
        settings = get_settings()
        loop_thread()
        self._desks = [Desk(number) for number in range(settings.async_desks)]
        self._threads = ThreadPoolExecutor(
            max_workers=settings.async_sync_threads, thread_name_prefix="holdfast-sync"
        )

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
        **options: Any,
    ) -> Attempt:
        """Begin an attempt soon: at the desk that has the fewest, or in a thread if its body is sync."""
        attempt = Attempt(self, next(self._numbers), target, args or (), kwargs or {}, options)
        with self._changed:
            self._attempts[attempt.number] = attempt
        if self._runs_async(args):
            desk = min(self._desks, key=lambda desk: desk.attempts)
            attempt.take_to(desk)
        else:
            self._threads.submit(attempt.run)
        return attempt

    def terminate_job(self, pid: int, signal: Any = None) -> None:
        """Cancel the coroutine of an attempt; a sync body runs on, and its end is refused."""
        attempt = self._attempts.get(pid)
        if attempt is not None:
            attempt.stop()

    def can_stop(self, pid: int | None) -> bool:
        """Tell whether an attempt can be stopped from outside: all but those of sync bodies that have begun."""
        attempt = self._attempts.get(pid or 0)
        return attempt is None or attempt.desk is not None

    def grow(self, n: int = 1) -> None:
        """Run so many more at once."""
        self.limit += n

    def shrink(self, n: int = 1) -> None:
        """Run so many fewer at once, as jobs end."""
        self.limit = max(1, self.limit - n)

    def on_stop(self) -> None:
        """Wait for what has begun; what has not is dropped, and its jobs are handed back."""
        self._state = self.CLOSE
        with self._changed:
            self._changed.wait_for(lambda: not self._attempts)
        self._leave()

    def on_terminate(self) -> None:
        """Cancel every coroutine, and give them a moment for their own `finally`."""
        for attempt in list(self._attempts.values()):
            attempt.stop()
        with self._changed:
            self._changed.wait_for(
                lambda: all(attempt.desk is None for attempt in self._attempts.values()),
                timeout=LEAVE_SECONDS,
            )
        self._leave()

    @property
    def info(self) -> dict[str, Any]:
        """What `celery inspect stats` shows."""
        return super().info | {
            "desks": len(self._desks),
            "threads": get_settings().async_sync_threads,
            "attempts": len(self._attempts),
        }

    def over(self, attempt: Attempt) -> None:
        """An attempt has ended."""
        with self._changed:
            del self._attempts[attempt.number]
            self._changed.notify_all()

    def _leave(self) -> None:
        for desk in self._desks:
            desk.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _runs_async(self, args: Any) -> bool:
        name, _, request = args[:3]
        runs_async = getattr(self.app.tasks.get(name), "runs_async", None)
        return runs_async is not None and runs_async(request.get("kwargs"))


class Attempt:
    """One job in this pool, from its handing over to its end."""

    def __init__(
        self,
        pool: TaskPool,
        number: int,
        target: Callable[..., Any],
        args: Any,
        kwargs: Any,
        options: dict[str, Any],
    ) -> None:
        self.pool = pool
        self.number = number
        self.desk: Desk | None = None
        self._target, self._args, self._kwargs, self._options = target, args, kwargs, options
        self._body: Body | None = None
        self._stopped = False
        self._greenlet: Any = None

    def take_to(self, desk: Desk) -> None:
        """Have the attempt made at a desk."""
        self.desk = desk
        desk.attempts += 1
        desk.begin(self._run_at_desk)

    def run(self) -> None:
        """Make the attempt as Celery's other pools do; unless the pool has closed meanwhile."""
        try:
            if self.pool.active and not self._stopped:
                apply_target(
                    self._target,
                    self._args,
                    self._kwargs,
                    self._options.get("callback"),
                    self._options.get("accept_callback"),
                    pid=self.number,
                )
        except AttemptLost:
            logger.debug("an attempt was taken away before it began")
        finally:
            self.pool.over(self)

    def stop(self) -> None:
        """Cancel the coroutine; from any thread."""
        self._stopped = True
        body = self._body
        if body is not None:
            body.stop()

    def terminate(self, signal: Any = None) -> None:
        """Celery's name for it; `terminate_job` has done it."""

    # -- what the attempt asks of its pool while its body runs ---------------------------------------

    @property
    def executor(self) -> Desk:
        """Where the coroutine's thread-sensitive work is done."""
        assert self.desk is not None
        return self.desk

    def here(self) -> bool:
        """Tell whether the code that asks is the attempt itself."""
        return current() is self._greenlet

    def wait(self, body: Body) -> None:
        """Begin the body, and step aside until it is over.

        Raises:
            ConfigurationError: a transaction is open, and other attempts at this desk would become part of it.
        """
        if has_open_transaction():
            body.close()
            raise ConfigurationError(IN_TRANSACTION.format(body.task))
        self._body = body
        if self._stopped:
            body.stop()
        limits = (
            (self._options.get("soft_timeout"), self._soft_limit),
            (self._options.get("timeout"), self._hard_limit),
        )
        for seconds, strike in limits:
            if seconds:
                body.call_later(seconds, strike)
        self.executor.step_aside(lambda over: body.begin(then=over))

    def _run_at_desk(self) -> None:
        self._greenlet = current()
        waiting.set(self)
        try:
            self.run()
        finally:
            self.executor.attempts -= 1
            self._greenlet = self._body = None

    def _soft_limit(self) -> None:
        assert self._body is not None
        self._options["timeout_callback"](soft=True, timeout=self._options["soft_timeout"])
        self._body.interrupt(SoftTimeLimitExceeded())

    def _hard_limit(self) -> None:
        """Fail the job, then cancel: the end of what is cancelled comes too late to be recorded."""
        told = self.executor.submit(
            self._options["timeout_callback"], soft=False, timeout=self._options["timeout"]
        )
        told.add_done_callback(lambda _: self.stop())
