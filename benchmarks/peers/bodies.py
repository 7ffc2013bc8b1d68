"""What the jobs of every system do; each tells the driver's own Redis, at the same price for all."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

SLOW_SECONDS = 2.0
NAP_SECONDS = 0.02


@cache
def _driver(pid: int) -> Any:
    # By pid: a forked process must not share its parent's socket.
    del pid
    import redis

    return redis.Redis.from_url(os.environ["PEER_COUNTER_URL"])


def noop(value: float) -> None:
    """Count."""
    del value
    _driver(os.getpid()).incr("ran")


def timed(value: float) -> None:
    """Tell how long ago, by the clock all processes share, the call was made."""
    begun = time.monotonic()
    driver = _driver(os.getpid())
    if value:
        driver.rpush("latencies", begun - value)
    driver.incr("ran")


def nap(value: float) -> None:
    """Take a little while, and count."""
    del value
    time.sleep(NAP_SECONDS)
    _driver(os.getpid()).incr("ran")


def slow(value: float) -> None:
    """Tell who begins; take a while; count."""
    del value
    driver = _driver(os.getpid())
    driver.rpush("begun", os.getpid())
    time.sleep(SLOW_SECONDS)
    driver.incr("ran")


BODIES = {each.__name__: each for each in (noop, timed, nap, slow)}
