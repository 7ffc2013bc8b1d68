"""The counted project's app; in a worker its processes write down what they have counted, while they run."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from celery import signals
from django.db.backends.signals import connection_created

from benchmarks.budgets.calls import Statements, Threads
from benchmarks.project.options import celery_settings
from holdfast import Celery

# A process writes after so many jobs: what it counts then is the state between two of them.
EVERY = 10

app = Celery("counted")
app.conf.update(celery_settings())
app.conf.imports = ["benchmarks.budgets.tasks"]

threads = Threads()
statements = Statements()
connection_created.connect(statements.watch)
received: list[tuple[str, int, int]] = []
_writing = threading.Lock()


@signals.worker_init.connect
@signals.worker_process_init.connect
def _start(**_: Any) -> None:
    """Begin to count: in the main process before its threads are made, in a child after it is forked."""
    received.clear()
    if "BENCH_COUNTS" in os.environ:
        threads.start()


@signals.task_received.connect
def _receive(*, request: Any, **_: Any) -> None:
    """Note, in the main process, what all of its threads had counted when a job came."""
    if threads.all:
        received.append((request.name.rpartition(".")[2], threads.total(), len(statements)))
        _write(len(received))


def begun(task: str) -> None:
    """Note that a body has begun."""
    if threads.all:
        bodies = threads.here.bodies
        bodies.append((task, threads.here.count, len(statements)))
        _write(len(bodies))


def _write(jobs: int) -> None:
    if jobs % EVERY:
        return
    counting = sys.getprofile()
    sys.setprofile(None)
    with _writing:
        found = {
            "received": received,
            "bodies": [calls.bodies for calls in threads.all if calls.bodies],
        }
        path = Path(os.environ["BENCH_COUNTS"], f"{os.getpid()}.json")
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(found))
        draft.replace(path)
    sys.setprofile(counting)
