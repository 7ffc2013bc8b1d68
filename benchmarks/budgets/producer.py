"""The counted sender: a process that sends as it is told on its standard input, one line of JSON each, and answers so.

Asked: `{"task": ..., "way": ..., "count": ..., "counted": ...}`. Answered: the calls for each job (0 where they are
not to be counted, which takes time), the statements on SQLite, and the seconds of the processor.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import django
from django.db import transaction

from benchmarks.budgets import calls, tasks
from benchmarks.budgets.durable import app, statements

_numbers = itertools.count()
# Has an element while nothing is to be counted.
uncounted: list[bool] = []


def _each(work: Callable[[], Any], *, repeats: int) -> float:
    if not uncounted:
        return calls.counted(work, repeats=repeats)
    for _ in range(repeats):
        work()
    return 0.0


def alone(task: Any, count: int) -> float:
    """Send each job in a transaction of its own."""
    return _each(lambda: task.delay(7), repeats=count)


def together(task: Any, count: int) -> float:
    """Send all of them in one transaction."""
    with transaction.atomic():
        return _each(lambda: task.delay(7), repeats=count)


def many(task: Any, count: int) -> float:
    """Send all of them by one call."""
    arguments = [(number,) for number in range(count)]
    return _each(lambda: task.apply_many(arguments), repeats=1) / count


def batch(task: Any, count: int) -> float:
    """Send all of them by one call as members of a batch."""
    from holdfast import Batch

    with Batch(name="counted"):
        return many(task, count)


def distinct(task: Any, count: int) -> float:
    """Send each job in a transaction of its own, with an argument of its own."""
    return _each(lambda: task.delay(next(_numbers)), repeats=count)


def prune(_task: Any, _count: int) -> float:
    """Send nothing: delete what has outlived its retention."""
    from holdfast.policies.retention import Retention
    from holdfast.upkeep.pruner import Pruner

    retention = Retention(app.tasks.get)
    pruner = Pruner(results_kept_seconds=app.backend.expires, retention=retention)
    while pruner.one_pass():
        pass
    return 0.0


WAYS: dict[str, Callable[[Any, int], float]] = {
    "alone": alone,
    "together": together,
    "many": many,
    "batch": batch,
    "distinct": distinct,
    "prune": prune,
}


def main() -> None:
    """Answer until the input ends."""
    django.setup()
    from holdfast.ledger import workers

    app.loader.import_default_modules()
    # Somebody has the duty: the loops of the workers that are counted find nothing to do.
    workers.take_duty(workers.UPKEEP, uuid4(), seconds=3600)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        uncounted[:] = () if asked["counted"] else (True,)
        statements.taken()
        begun = time.process_time()
        found = WAYS[asked["way"]](tasks.of(app, asked["task"]), asked["count"])
        seconds = time.process_time() - begun
        answer = {"calls": found, "statements": statements.taken(), "seconds": seconds}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
