"""Coroutine bodies: an `async def` task runs to its end in the process's event loop, while its attempt waits.

The attempt is Celery's tracer and the ledger's moves, which are not made for an event loop: they stay in the thread
they are in. What if the process dies here? The body is gone with the attempt; the lease gives the job to somebody else.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from functools import partial, wraps
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext
from billiard.pool import soft_timeout_sighandler
from celery._state import _task_stack
from celery.exceptions import Ignore, SoftTimeLimitExceeded
from celery.utils.threads import USE_FAST_LOCALS, LocalManager, get_ident

from holdfast.dispatch.caller import Caller
from holdfast.dispatch.loop import has_greenlets_for_threads, loop_thread
from holdfast.exceptions import BodyCancelled, ConfigurationError
from holdfast.ledger.connections import aside

if TYPE_CHECKING:
    from holdfast.dispatch.task import LedgerTask

NOT_ATOMIC = (
    "Task {!r} is atomic and its body is a coroutine: Django's transactions cannot span an await. Take atomic=True "
    "off it, or do the part that must be atomic in a function of its own: await sync_to_async(function)()."
)
# How often a body that goes on after it was stopped is told so again.
AGAIN_SECONDS = 1.0


class Waiting(Protocol):
    """How an attempt waits without a thread: the asyncio pool's way."""

    @property
    def executor(self) -> Executor:
        """Where the coroutine's thread-sensitive work is done."""

    def here(self) -> bool:
        """Tell whether the code that asks is the attempt itself, and not something it has started."""

    def wait(self, body: Body) -> None:
        """Begin the body; return when it is over."""


class BodyStopped(BaseException):
    """The body was stopped from outside; whoever did so has moved the job, or will."""


class AttemptStopped(Ignore):
    """What Celery's tracer is told of a stopped body: it writes nothing and sends nothing."""


class _Leaving(Exception):
    """Carries what would otherwise end the event loop with the body."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(repr(error))
        self.error = error


# How this attempt waits for its body; None: its thread waits.
waiting: ContextVar[Waiting | None] = ContextVar("holdfast_waiting", default=None)
# Whose Celery request a coroutine sees: the thread's or greenlet's that its attempt is in.
_owner: ContextVar[Any] = ContextVar("holdfast_owner", default=None)


class Body(Coroutine[Any, Any, Any]):
    """One coroutine body on its way; it can be told from any thread to leave."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], task: LedgerTask) -> None:
        self.task = task.name
        self.job = task.request.id or ""
        # What asyncio calls it where it shows its tasks.
        self.__name__ = self.__qualname__ = task.name
        self.context: Context = copy_context()
        self._coroutine = coroutine
        self._error: BaseException | None = None
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._begun = self._stopped = False
        self._at = loop_thread()
        self._run: asyncio.Task[Any]

    @property
    def coroutine(self) -> Coroutine[Any, Any, Any]:
        """What the task's function returned, for whoever shows where it stands."""
        return self._coroutine

    def begin(self, *, then: Callable[[], object]) -> None:
        """Begin; `then` is called in the loop's thread when the body is over."""
        self._begun = True
        self._at.begin(self._create, then=then)

    def call_later(self, seconds: float, work: Callable[[], object]) -> None:
        """Call something in the loop's thread so many seconds after the begin, unless the body is over by then."""
        self._later.append((seconds, work))

    def _create(self) -> asyncio.Task[Any]:
        self._run = self._at.loop.create_task(self, context=self.context)
        for seconds, work in self._later:
            timer = self._at.loop.call_later(seconds, work)
            self._run.add_done_callback(partial(_call_off, timer))
        if self._stopped:
            self._stop()
        return self._run

    def interrupt(self, error: BaseException) -> None:
        """Raise an error where the body awaits; from any thread."""
        if self._begun:
            self._at.call(self._interrupt, error)

    def stop(self) -> None:
        """Cancel the body, again and again if it does not leave; from any thread. Its end is not recorded."""
        self._stopped = True
        if self._begun:
            self._at.call(self._stop)

    def outcome(self) -> Any:
        """Return what the body returned, or raise what it raised.

        Raises:
            BodyStopped: it was stopped from outside.
            BodyCancelled: a CancelledError of its own making left it.
        """
        if self._stopped:
            raise BodyStopped
        if self._run.cancelled():
            raise BodyCancelled(
                f"Job {self.job} ({self.task}): its coroutine was cancelled by its own code, or by something it "
                "awaited. Catch asyncio.CancelledError around what may be cancelled, and say what the job ends with."
            )
        error = self._run.exception()
        if isinstance(error, _Leaving):
            raise error.error
        return self._run.result()

    def send(self, value: Any) -> Any:
        """Go on to the next await."""
        return self._step(self._coroutine.send, value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        """Go on with an error; a cancellation that stands for another error becomes it."""
        error = typ if val is None else val
        if self._error is not None and _is_cancellation(error):
            error, self._error = self._error, None
            self._run.uncancel()
        return self._step(self._coroutine.throw, error)

    def close(self) -> None:
        """Give up a body that has not begun."""
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def _step(self, step: Callable[[Any], Any], value: Any) -> Any:
        self._at.stepping = self
        try:
            return step(value)
        except (SystemExit, KeyboardInterrupt) as leaving:
            raise _Leaving(leaving) from None
        finally:
            self._at.stepping = None

    def _interrupt(self, error: BaseException) -> None:
        if not (self._stopped or self._run.done()):
            self._error = error
            self._run.cancel()

    def _stop(self) -> None:
        if not self._run.done():
            self._error = None
            self._run.cancel()
            self._run.get_loop().call_later(AGAIN_SECONDS, self._stop)


def _call_off(timer: asyncio.TimerHandle, _: asyncio.Task[Any]) -> None:
    timer.cancel()


def returned(task: LedgerTask, value: Any) -> Any:
    """Return what a task's body returned, as `finished` does; not if that is a coroutine and the task is atomic.

    Raises:
        ConfigurationError: a sync body gave it back; `async def` is refused when the task is registered.
    """
    if type(value) is CoroutineType and task.atomic:
        value.close()
        raise ConfigurationError(NOT_ATOMIC.format(task.name))
    return finished(task, value)


def runs_to_end(body: Callable[..., Any]) -> Callable[..., Any]:
    """Return a sync function that does what a coroutine function does; the same one each time."""

    @wraps(body)
    def to_end(*args: Any, **kwargs: Any) -> Any:
        return finished(_task_stack.top, body(*args, **kwargs))

    made: Callable[..., Any] = vars(body).setdefault("holdfast_runs_to_end", to_end)
    return made


def finished(task: LedgerTask, value: Any) -> Any:
    """Return what a body returned; if that is a coroutine, run it to its end first.

    Inside it are the contextvars, `self.request` and the current attempt of the caller. Django's async ORM and
    `sync_to_async` work in the caller's thread, over its database connection.
    """
    if type(value) is not CoroutineType:
        return value
    if aside.in_event_loop():
        return _in_a_loop_of_its_own(task, value)
    body = Body(value, task)
    way = waiting.get()
    if way is not None and way.here():
        _prepare(body, task, way.executor)
        way.wait(body)
    else:
        _wait(body, task)
    return body.outcome()


def _wait(body: Body, task: LedgerTask) -> None:
    caller = Caller()
    _prepare(body, task, caller)
    with _soft_limit_reaches(body):
        body.begin(then=caller.close)
        try:
            caller.serve()
        except BaseException:
            # This thread is told to leave, by a signal or by its greenlet's end: so is the body.
            body.stop()
            raise


def _prepare(body: Body, task: LedgerTask, executor: Executor) -> None:
    """Let the coroutine see its attempt, and do what must stay in one thread in the attempt's own."""
    owner = _current_owner()
    _share_request(task)

    def enter() -> None:
        if has_greenlets_for_threads():
            aside.leave_to(executor)
        _owner.set(owner)
        # What runs under somebody's async_to_sync would go there, and wait for a thread that waits for us.
        AsyncToSync.executors.current = None
        place = ThreadSensitiveContext()
        SyncToAsync.context_to_thread_executor[place] = executor
        SyncToAsync.thread_sensitive_context.set(place)

    body.context.run(enter)


def _in_a_loop_of_its_own(task: LedgerTask, coroutine: CoroutineType[Any, Any, Any]) -> Any:
    """Run a body that is called eagerly in an event loop, which waits for it as for any sync call."""
    context = copy_context()
    context.run(_owner.set, _current_owner())
    _share_request(task)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(context.run, asyncio.run, coroutine).result()


def _share_request(task: LedgerTask) -> None:
    """Let coroutines and the threads they use find the request of the attempt they are part of."""
    if not USE_FAST_LOCALS:
        LocalManager([_task_stack, task.request_stack], ident_func=_current_owner)


def _current_owner() -> Any:
    return _owner.get() or get_ident()


def _is_cancellation(error: Any) -> bool:
    return isinstance(error, asyncio.CancelledError) or error is asyncio.CancelledError


@contextmanager
def _soft_limit_reaches(body: Body) -> Iterator[None]:
    """Let the soft limit of a pool process strike the body, and not the thread that waits for it."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGUSR1) is not soft_timeout_sighandler:
        yield
        return
    signal.signal(signal.SIGUSR1, lambda *_: body.interrupt(SoftTimeLimitExceeded()))
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, soft_timeout_sighandler)
