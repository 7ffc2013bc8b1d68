"""Many workers at once: what they ask of the database while there is nothing to do, and what more of them bring."""

from __future__ import annotations

import os
import time
from statistics import median
from typing import Any

import psutil

from benchmarks.stand import Contender, Stand
from benchmarks.waiting import CONNECTIONS

APP = "benchmarks.project.durable"
WORKERS = 50
MINUTE = 60.0
# Past a start the pruner looks ever more seldom: the measured minute is like any other from then on.
SETTLE_SECONDS = 60.0
LIVE = "SELECT count(*) FROM holdfast_worker WHERE lease_until > now()"
STATEMENT_LOG = ("LOG:  statement:", "LOG:  execute ")
# Workers and slots of each: so many processes run jobs.
CREWS = ((1, 1), (1, 2), (2, 2), (2, 4))
ROUNDS = 3


def idle(stand: Stand, database: str, *, share: float) -> dict[str, Any]:
    """Start workers, and count what the server is asked in a minute in which there is nothing to do."""
    contender = Contender(name="idle", app=APP, database=database)
    count = max(2, int(WORKERS * share))
    log = stand.postgres.directory / "postgres.log"
    with stand.workers(contender, pool="solo", slots=1, count=count):
        _await(lambda: int(_ask(stand, LIVE)) >= count, seconds=120)
        # A job of each kind of process has run, so that its connections are there.
        stand.send(contender, task="noop", way="bulk", count=count * 20)
        stand.await_ran(count * 20, seconds=60)
        stand.postgres.execute("ALTER SYSTEM SET log_statement = 'all'")
        stand.postgres.execute("SELECT pg_reload_conf()")
        time.sleep(SETTLE_SECONDS)
        before, begun = log.stat().st_size, time.monotonic()
        time.sleep(MINUTE)
        with log.open(errors="replace") as lines:
            lines.seek(before)
            asked = sum(any(mark in line for mark in STATEMENT_LOG) for line in lines)
        seconds = time.monotonic() - begun
        connections = int(_ask(stand, CONNECTIONS)) - 1
    return {
        "workers": count,
        "statements_per_second": round(asked / seconds, 2),
        "connections_per_worker": round(connections / count, 2),
    }


def drain(stand: Stand, database: str, *, share: float) -> dict[str, Any]:
    """Drain with ever more processes; what the machine and the database did meanwhile says what the limit was."""
    contender = Contender(name="drain", app=APP, database=database)
    count, rounds = int(10_000 * share), ROUNDS if share >= 1 else 1
    runs: dict[int, list[dict[str, float]]] = {}
    for _ in range(rounds):
        for workers, slots in CREWS:
            stand.clear(contender)
            found = _drain_with(stand, contender, workers, slots, count)
            runs.setdefault(workers * slots, []).append(found)
    return {
        "jobs": count,
        "rounds": rounds,
        "cores": os.cpu_count(),
        "by_processes": {
            str(processes): {
                "rate": round(median(each["rate"] for each in taken)),
                "rate_min": round(min(each["rate"] for each in taken)),
                "rate_max": round(max(each["rate"] for each in taken)),
                "busy_cores": round(median(each["busy"] for each in taken), 2),
                "commits_per_second": round(median(each["commits"] for each in taken)),
            }
            for processes, taken in runs.items()
        },
    }


def _drain_with(
    stand: Stand, contender: Contender, workers: int, slots: int, count: int
) -> dict[str, float]:
    stand.send(contender, task="noop", way="bulk", count=count)
    with stand.workers(contender, pool="prefork", slots=slots, count=workers):
        # All have started when a tenth has run.
        first = stand.await_ran(count // 10, seconds=90)
        begun, commits = time.monotonic(), _commits(stand, contender)
        psutil.cpu_percent()
        stand.await_ran(count, seconds=120)
        busy = psutil.cpu_percent() / 100 * (os.cpu_count() or 1)
        seconds = time.monotonic() - begun
        commits = _commits(stand, contender) - commits
        stand.await_all_final(contender, count, seconds=20)
    return {"rate": (count - first) / seconds, "busy": busy, "commits": commits / seconds}


def _commits(stand: Stand, contender: Contender) -> int:
    if contender.database != "postgres":
        return 0
    return int(_ask(stand, "SELECT xact_commit FROM pg_stat_database WHERE datname = 'bench'"))


def _ask(stand: Stand, statement: str) -> str:
    return stand.postgres.execute(statement, database="bench")


def _await(fact: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(0.1)
