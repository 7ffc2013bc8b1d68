"""The measured tasks: none does anything but tell the driver that it ran."""

from __future__ import annotations

import asyncio
import os
import time
from functools import cache
from typing import Any

from celery import shared_task

from benchmarks.project.tally import count


@cache
def _counter(pid: int) -> Any:
    # By pid: a forked child must not share its parent's socket.
    del pid
    import redis

    return redis.Redis.from_url(os.environ["BENCH_COUNTER_URL"])


@shared_task(ignore_result=True)
def noop(_number: int) -> None:
    count()


@shared_task(ignore_result=True)
def nap(seconds: float) -> None:
    """Take up a slot, and nothing else of the machine."""
    time.sleep(seconds)


@shared_task(ignore_result=True)
async def wait(_number: int) -> None:
    """Wait for half a second, and tell the driver how many do."""
    counter = _counter(os.getpid())
    counter.incr("waiting")
    await asyncio.sleep(0.5)
    counter.decr("waiting")
    count()


@shared_task
def kept(number: int) -> int:
    count()
    return number


@shared_task(ignore_result=True, durable=False)
def fleeting(_number: int) -> None:
    count()


@shared_task(ignore_result=True, atomic=True)
def effect(number: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_effect (number) VALUES (%s)", [number])
    count()


@shared_task(ignore_result=True)
def timed(sent_at: float) -> None:
    """Tell the driver how long ago, by the clock all processes share, the call was made."""
    begun = time.monotonic()
    if sent_at:
        _counter(os.getpid()).rpush("latencies", begun - sent_at)
    count()
