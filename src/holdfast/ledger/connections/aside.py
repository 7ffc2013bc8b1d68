"""Ledger work done aside: in a thread with a database connection of its own, so that it commits by itself.

For callers that must not use their own connection: an event loop, or a transaction that may yet roll back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import ContextVar
from typing import TypeVar

from holdfast.ledger.database import close_connection, connection

T = TypeVar("T")
MOST_THREADS = 4
_executor: ContextVar[Executor | None] = ContextVar("holdfast_aside", default=None)


def in_event_loop() -> bool:
    """Tell whether this thread runs an event loop, where Django refuses the database."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def has_transaction() -> bool:
    """Tell whether what this thread writes now may yet be rolled back; the frame of a test case does not count."""
    here = connection()
    if here.in_atomic_block:
        # Django itself asks this of its own frames, where `atomic(durable=True)` is allowed.
        return not all(getattr(block, "_from_testcase", False) for block in here.atomic_blocks)
    return here.connection is not None and not here.autocommit


def in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a thread of its own, with a database connection of its own, and wait for it."""
    return (_executor.get() or _threads).submit(_with_own_connection, work).result()


async def beside_loop(work: Callable[[], T]) -> T:
    """Run blocking work in a thread of its own while the event loop goes on."""
    future = (_executor.get() or _threads).submit(_with_own_connection, work)
    return await asyncio.wrap_future(future)


def leave_to(executor: Executor) -> None:
    """Have the work of this context done by others than the threads here, which gevent makes greenlets of its own."""
    _executor.set(executor)


def _with_own_connection(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        close_connection()


def _new_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=MOST_THREADS, thread_name_prefix="holdfast-dispatch")


def _after_fork() -> None:
    global _threads  # noqa: PLW0603  # the parent's threads are not here, and nobody would do the work
    _threads = _new_threads()


_threads = _new_threads()
os.register_at_fork(after_in_child=_after_fork)
