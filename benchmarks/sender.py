"""Sends jobs in a fresh process and prints how long that took; started by the trials."""

from __future__ import annotations

import argparse
import cProfile
import importlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

TRANSACTION = 500
PACE_SECONDS = 0.02
WARM_UP = 100
LATER_SECONDS = 2.0
MONTH_SECONDS = 30 * 86400.0


def loop(task: Any, count: int) -> None:
    """One call after the other, each in a transaction of its own."""
    for number in range(count):
        task.delay(number)


def transactions(task: Any, count: int) -> None:
    """The same calls, 500 in each transaction."""
    from django.db import transaction

    for start in range(0, count, TRANSACTION):
        with transaction.atomic():
            loop(task, min(TRANSACTION, count - start))


def bulk(task: Any, count: int) -> None:
    """All calls in one go."""
    task.apply_many([(number,) for number in range(count)])


def batch(task: Any, count: int) -> None:
    """The same calls as members of a batch."""
    from holdfast import Batch

    with Batch(name="measured"):
        task.apply_many([(number,) for number in range(count)])


def chord(task: Any, count: int) -> None:
    """The same calls as members of a chord, whose body is one of them."""
    import celery

    celery.chord([task.si(number) for number in range(count - 1)], task.si(count)).delay()


def paced(task: Any, count: int) -> None:
    """One call every 20 ms, each carrying the time it was made."""
    due = time.monotonic()
    for number in range(WARM_UP + count):
        time.sleep(max(0.0, due - time.monotonic()))
        due += PACE_SECONDS
        task.delay(time.monotonic() if number >= WARM_UP else 0.0)


def later(task: Any, count: int) -> None:
    """One call every 20 ms, due two seconds later; each carries its time by the clock all processes share."""
    due = time.monotonic()
    for _ in range(count):
        time.sleep(max(0.0, due - time.monotonic()))
        due += PACE_SECONDS
        task.apply_async((time.monotonic() + LATER_SECONDS,), countdown=LATER_SECONDS)


def far(task: Any, count: int) -> None:
    """All calls in one go, each due in a month."""
    task.apply_many([(number,) for number in range(count)], countdown=MONTH_SECONDS)


WAYS: dict[str, Callable[[Any, int], None]] = {
    "loop": loop,
    "transactions": transactions,
    "bulk": bulk,
    "batch": batch,
    "chord": chord,
    "paced": paced,
    "later": later,
    "far": far,
}


def main() -> None:
    """Send, and print the seconds as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("app")
    parser.add_argument("task")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("count", type=int)
    parser.add_argument("--warm", action="store_true", help="send one job first that is not timed")
    parser.add_argument("--profile", metavar="FILE", help="write cProfile statistics here")
    options = parser.parse_args()
    app = importlib.import_module(options.app).app
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        import django

        django.setup()
    app.loader.import_default_modules()
    task = next(task for name, task in app.tasks.items() if name.endswith(f".{options.task}"))
    if options.warm:
        task.delay(0)
    profile = cProfile.Profile() if options.profile else None
    begun = time.perf_counter()
    if profile is None:
        WAYS[options.way](task, options.count)
    else:
        profile.runcall(WAYS[options.way], task, options.count)
        profile.dump_stats(options.profile)
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "count": options.count}))


if __name__ == "__main__":
    main()
