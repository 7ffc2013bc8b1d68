"""The thread that waits for a coroutine body, as the place where the body's thread-sensitive work is done."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from asgiref.sync import SyncToAsync


class Caller(Executor):
    """The thread that waits for a body does meanwhile what must be done in it."""

    def __init__(self) -> None:
        self._work: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Leave work to the waiting thread; after the body's end to the thread asgiref has for it."""
        with self._changed:
            if not self._closed:
                future: Future[Any] = Future()
                self._work.append((future, lambda: fn(*args, **kwargs)))
                self._changed.notify()
                return future
        return SyncToAsync.single_thread_executor.submit(fn, *args, **kwargs)

    def serve(self) -> None:
        """Do what is left here, until closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._work or self._closed)
                if not self._work:
                    return
                future, work = self._work.popleft()
            perform(future, work)

    def close(self) -> None:
        """The body is over."""
        with self._changed:
            self._closed = True
            self._changed.notify()


def perform(future: Future[Any], work: Callable[[], Any]) -> None:
    """Do work that somebody waits for."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
