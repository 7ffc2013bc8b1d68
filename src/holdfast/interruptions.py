"""What strikes a body from outside: a time limit, a stop, the end of its process; in whatever runs a body.

It strikes anywhere, also where Holdfast works for the body and outlives errors. One that is taken for such an error, or
that is hidden by the error of what tidies up after it, would be lost: it comes once.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from billiard.pool import soft_timeout_sighandler
from celery.exceptions import SoftTimeLimitExceeded

# Whoever asked for these hides them on purpose: `asyncio.timeout` makes a TimeoutError of a cancellation.
_MADE_INTO_OTHERS = (asyncio.CancelledError, GeneratorExit)


def let_out_interruption(error: Exception) -> None:
    """Raise what has interrupted the caller, if the error that he has caught is that or hides it.

    The first word of every `except` that outlives errors where a body may run. What struck earlier, and is being dealt
    with by those who called, is no news: a body may go on after its time limit.
    """
    struck = _interruption_in(error)
    if struck is not None:
        raise struck


@contextmanager
def striking_afterwards() -> Iterator[None]:
    """Let a soft time limit strike after what is done inside, in a process of a pool.

    Where it calls Python, C code may put an error of its own in the place of any other: SQLite does so in functions.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGUSR1) is not soft_timeout_sighandler:
        yield
        return
    struck = list[int]()
    signal.signal(signal.SIGUSR1, lambda number, _: struck.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, soft_timeout_sighandler)
        if struck:
            raise SoftTimeLimitExceeded


def strike_again_if_ignored() -> None:
    """Let a soft time limit that struck where Python ignores errors, such as a finalizer, strike right after it."""
    otherwise = sys.unraisablehook

    def ignored(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, SoftTimeLimitExceeded):
            # Errors of this hook are ignored too, and what a profiler would be is called next. The body's own is lost.
            sys.setprofile(strike)
        else:
            otherwise(unraisable)

    def strike(frame: FrameType, _event: str, _argument: object) -> None:
        if frame.f_code is not ignored.__code__:
            sys.setprofile(None)
            raise SoftTimeLimitExceeded

    sys.unraisablehook = ignored


def _interruption_in(error: BaseException) -> BaseException | None:
    callers = set(_callers(error))
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen or (one is not error and _where_caught(one) in callers):
            continue
        seen.add(id(one))
        if _is_interruption(one):
            return one
        left += [behind for behind in (one.__context__, one.__cause__) if behind is not None]
    return None


def _is_interruption(error: BaseException) -> bool:
    if isinstance(error, Exception):
        return isinstance(error, SoftTimeLimitExceeded)
    return not isinstance(error, _MADE_INTO_OTHERS)


def _callers(error: BaseException) -> Iterator[FrameType]:
    """Walk up from whoever caught the error."""
    frame = _where_caught(error)
    while frame is not None and (frame := frame.f_back) is not None:
        yield frame


def _where_caught(error: BaseException) -> FrameType | None:
    return error.__traceback__.tb_frame if error.__traceback__ is not None else None
