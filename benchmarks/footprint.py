"""What Holdfast costs where it does nothing: the start of a command and of a worker, and the memory of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median
from typing import Any

from benchmarks import trials
from benchmarks.catalogue import holdfast, project
from benchmarks.machine import ROOT
from benchmarks.stand import Contender, Stand

ROUNDS = 9
# A worker that ends as soon as it takes jobs.
_WORKER = """
import os, sys
from celery.signals import worker_ready
worker_ready.connect(lambda **_: os._exit(0), weak=False)
from importlib import import_module
import_module(sys.argv[1]).app.worker_main(["worker", "-P", "solo", "-l", "ERROR"])
"""
# The application is imported as a project's package does it.
_COMMAND = """
import sys
from importlib import import_module
import_module(sys.argv[1])
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "help", "migrate"])
"""


def start(stand: Stand, database: str, *, share: float) -> dict[str, Any]:
    """Start a command and a worker in turn with the same project on plain Celery; CPU time, which load moves less."""
    del share
    found: dict[str, Any] = {"rounds": ROUNDS}
    for what, code in (("manage.py", _COMMAND), ("worker", _WORKER)):
        taken: dict[str, list[float]] = {"holdfast": [], "celery": []}
        for number in range(ROUNDS + 1):
            for name, contender in (
                ("holdfast", holdfast(database)),
                ("celery", project(database)),
            ):
                milliseconds = _cpu_milliseconds(stand, contender, code)
                if number:  # the first one compiles
                    taken[name].append(milliseconds)
        more = [mine - other for mine, other in zip(*taken.values(), strict=True)]
        found[what] = {
            **{f"{name}_ms": round(median(times)) for name, times in taken.items()},
            "more_ms": round(median(more)),
            "more_ms_min": round(min(more)),
            "more_ms_max": round(max(more)),
        }
    return found


def memory(stand: Stand, database: str, *, share: float) -> dict[str, Any]:
    """Take what a worker's processes need when they are idle again, in turn with plain Celery."""
    taken: dict[str, list[dict[str, float]]] = {"holdfast": [], "celery": []}
    measure = trials.memory(count=max(100, int(1000 * share)), pool="prefork", slots=2)
    for _ in range(3):
        for name, contender in (("holdfast", holdfast(database)), ("celery", project(database))):
            stand.clear(contender)
            taken[name].append(dict(measure(stand, contender)))
    found: dict[str, Any] = {}
    for part in ("main", "child", "process"):
        mine, other = (median(each[part] for each in runs) for runs in taken.values())
        found[part] = {
            "holdfast_mib": round(mine, 1),
            "celery_mib": round(other, 1),
            "more_mib": round(mine - other, 1),
        }
    return found


def _cpu_milliseconds(stand: Stand, contender: Contender, code: str) -> float:
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code, contender.app],
        env=stand.environment(contender),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    after = os.times()
    if done.returncode != 0:
        raise RuntimeError(f"{contender.name}: {done.stderr.decode()}")
    user = after.children_user - before.children_user
    return (user + after.children_system - before.children_system) * 1000
