"""Starts processes from a thread that stays: the system ends a child together with the thread that started it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")


def steadily(start: Callable[[], T]) -> T:
    """Start something here if this is the main thread, otherwise in the one thread that lives as long as we do."""
    if threading.current_thread() is threading.main_thread():
        return start()
    return _nurse().submit(start).result()


@cache
def _nurse() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="nursery")
