"""Counts the calls a thread makes, of Python functions and of built-in ones; runs in the processes that are measured.

A number of calls does not depend on how busy the machine is, and follows what the interpreter has to do closely enough.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from statistics import median
from types import FrameType
from typing import Any

from benchmarks.budgets.wire import head

# Python 3.12 and later have these in the function around them, where they are no call.
INLINE = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>"})


class Calls:
    """A profile function with the number of calls of one thread."""

    def __init__(self) -> None:
        self.count = 0
        # Task, and what had been counted when its body began in this thread: calls, and statements of the process.
        self.bodies: list[tuple[str, int, int]] = []

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == "c_call" or (event == "call" and frame.f_code.co_name not in INLINE):
            self.count += 1


def counted(work: Any, *, repeats: int) -> float:
    """Return the median of the calls that `work` makes, over some repeats; a rare look at the clock is not in it."""
    seen = []
    gc.disable()
    try:
        for _ in range(repeats):
            calls = Calls()
            sys.setprofile(calls)
            try:
                work()
            finally:
                sys.setprofile(None)
            seen.append(calls.count)
    finally:
        gc.enable()
    return float(median(seen))


class Threads:
    """The counters of all threads of a process, each begun with its thread."""

    def __init__(self) -> None:
        self.all: list[Calls] = []
        self._here = threading.local()

    def start(self) -> None:
        """Count in this thread, and in all that begin after it; forget what was counted before."""
        gc.disable()
        self.all = []
        threading.setprofile(self._first)
        self._begin()

    @property
    def here(self) -> Calls:
        """Return the counter of this thread."""
        found: Calls = self._here.calls
        return found

    def total(self) -> int:
        """Return the calls of all threads together."""
        return sum(calls.count for calls in list(self.all))

    def _begin(self) -> None:
        calls = Calls()
        self._here.calls = calls
        self.all.append(calls)
        sys.setprofile(calls)

    def _first(self, *_event: Any) -> None:
        self._begin()


class Statements:
    """The statements of SQLite connections of this process, by their first words."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def watch(self, *, connection: Any, **_: Any) -> None:
        """Receive Django's signal of a new connection."""
        if connection.vendor == "sqlite":
            # A built-in function: what it takes is in no count of calls.
            connection.connection.set_trace_callback(self._texts.append)

    def __len__(self) -> int:
        return len(self._texts)

    def taken(self) -> dict[str, int]:
        """Return what was executed since the last time."""
        texts, self._texts[:] = list(self._texts), []
        return dict(Counter(map(head, texts)))
