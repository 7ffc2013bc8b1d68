"""Takes the readings: what one job costs at each step, by the kind of job; nothing in them is a time."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from benchmarks.budgets.stand import CountingStand, Sender, Wire, await_quiet
from benchmarks.budgets.wire import Tally

WARM, QUEUED, SINGLE = 10, 200, 15
PATIENCE_SECONDS = 60.0
IDLE_SECONDS = 8.0
# Twelve seconds after its start the pruner has looked once (`crew.PRUNE_SECONDS`), and looks again half a minute later.
PRUNED_SECONDS = 12.0
# Of what is queued, the share after which the batches of a worker have found their size.
SETTLED = 0.2

# Step, task, way to send, jobs.
SENT = (
    ("delay()", "plain", "alone", 50),
    ("delay() in a transaction of 50", "plain", "together", 50),
    ("apply_many() of 500", "plain", "many", 500),
    ("delay() of a task with a result", "kept", "alone", 50),
    ("delay() of a unique job", "unique", "distinct", 50),
    ("delay() of a limited job", "limited", "alone", 20),
    ("delay() of a limited job in a transaction of 50", "limited", "together", 50),
    ("apply_many() of 500 limited jobs", "limited", "many", 500),
    ("apply_many() of 500 in a batch", "member", "batch", 500),
)
# Pool, slots, and tasks with the way they are sent.
RUN = (
    (
        "prefork",
        2,
        {
            "plain": "many",
            "kept": "many",
            "atomic": "many",
            "unique": "many",
            "limited": "many",
            "member": "batch",
        },
    ),
    ("threads", 8, {"plain": "many", "kept": "many"}),
)
# Those that are also sent one by one, each when the one before it has ended: nothing is done for several at once.
SINGLY = frozenset({"plain", "kept", "atomic"})
# Those that are run on SQLite too: the others take the same ways there.
BOTH = ("plain", "kept")


@dataclass
class Reading:
    """What one job took at a step; the statements tell where the round trips come from."""

    values: dict[str, float]
    statements: dict[str, float] = field(default_factory=dict)


Readings = dict[str, Reading]


def take(database: str) -> Readings:
    """Count everything on one kind of database: half a minute on an idle machine."""
    found: Readings = {}
    with CountingStand(database) as stand:
        with Sender(stand) as sender:
            for step, task, way, count in SENT:
                sender.send(task, way=way, count=10)
                found[step] = _sent(stand, sender, task, way=way, count=count)
        for pool, slots, tasks in RUN:
            stand.clear(stand.contender)
            with Sender(stand) as sender:
                own = tasks if database == "postgres" else {name: tasks[name] for name in BOTH}
                found |= _run(stand, sender, pool=pool, slots=slots, tasks=own)
        if database == "postgres":
            found |= _idle(stand)
    return found


def least(one: Readings, other: Readings) -> Readings:
    """Return the lower of two readings of everything: a busy machine only ever adds to them, by smaller batches."""
    return {
        step: Reading(
            {
                measure: min(value, other[step].values[measure])
                for measure, value in reading.values.items()
            },
            reading.statements,
        )
        for step, reading in one.items()
    }


def _sent(stand: CountingStand, sender: Sender, task: str, *, way: str, count: int) -> Reading:
    before, log = sender.wire.tallies(), stand.wal()
    answer = sender.send(task, way=way, count=count)
    reading = _reading(stand, sender.wire, before, log=log, jobs=count)
    reading.values["calls"] = answer["calls"]
    if stand.database == "sqlite":
        reading.statements = {head: n / count for head, n in answer["statements"].items()}
        reading.values["sql statements"] = sum(reading.statements.values())
    return reading


def _run(
    stand: CountingStand, sender: Sender, *, pool: str, slots: int, tasks: dict[str, str]
) -> Readings:
    found: Readings = {}
    for path in stand.counts.iterdir():
        path.unlink()
    done = 0

    def send(task: str, *, way: str, count: int) -> None:
        nonlocal done
        sender.send(task, way=way, count=count)
        done += count
        stand.await_all_final(stand.contender, done, seconds=PATIENCE_SECONDS)

    with (
        stand.counting(BENCH_COUNTS=str(stand.counts)) as wire,
        stand.worker(stand.contender, pool=pool, slots=slots),
    ):
        for task, way in tasks.items():
            send(task, way=way, count=WARM)
            await_quiet(wire)
            before, log = wire.tallies(), stand.wal()
            send(task, way=way, count=QUEUED)
            found[f"{pool}: {task}, queued"] = _reading(stand, wire, before, log=log, jobs=QUEUED)
            if task not in SINGLY:
                continue
            singles = []
            for _ in range(SINGLE):
                before = wire.tallies()
                send(task, way="alone", count=1)
                singles.append(_reading(stand, wire, before, jobs=1))
            found[f"{pool}: {task}, one by one"] = _median(singles)
        written = stand.written()
    for task in tasks:
        values = found[f"{pool}: {task}, queued"].values
        values["calls"], statements = _counted(written, task)
        if stand.database == "sqlite":
            values["sql statements"] = statements
    return found


def _median(readings: list[Reading]) -> Reading:
    """Return the middle of each measure: what a connection asks once in a while is in none of them."""
    values = {
        measure: median(each.values[measure] for each in readings) for measure in readings[0].values
    }
    return Reading(values, readings[len(readings) // 2].statements)


def _counted(written: list[dict[str, Any]], task: str) -> tuple[float, float]:
    """Add up the calls and statements a job: of the main process by the mean, of a child by the median."""
    calls = statements = 0.0
    bodies: list[tuple[int, int]] = []
    for process in written:
        jobs = [counts for name, *counts in process["received"] if name == task]
        if jobs:
            # The last few may not have been written down.
            first, last = int(WARM + QUEUED * SETTLED), min(len(jobs), WARM + QUEUED) - 1
            calls += (jobs[last][0] - jobs[first][0]) / (last - first)
            statements += (jobs[last][1] - jobs[first][1]) / (last - first)
        for thread in process["bodies"] if not process["received"] else ():
            bodies += [
                (after[1] - before[1], after[2] - before[2])
                for before, after in pairwise(thread)
                if before[0] == after[0] == task
            ]
    if bodies:
        calls += median(each[0] for each in bodies)
        statements += median(each[1] for each in bodies)
    return calls, statements


def _idle(stand: CountingStand) -> Readings:
    """Count what a worker with nothing to do asks in a minute, with the default pauses of its loops.

    Between the first look of the pruner, and the second: these are ever further apart.
    """
    stand.clear(stand.contender)
    with (
        stand.counting(BENCH_LOOPS="1") as wire,
        stand.worker(stand.contender, pool="prefork", slots=2),
    ):
        _await_loops(wire)
        time.sleep(PRUNED_SECONDS)
        before, begun = wire.tallies(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        minutes = (time.monotonic() - begun) / 60
        reading = _reading(stand, wire, before, jobs=minutes)
        reading.values["redis waits"] = (wire.tallies()[1] - before[1]).waits / minutes
    return {"an idle minute of one worker": reading}


def _await_loops(wire: Wire) -> None:
    """Wait until the worker waits for jobs and has looked once for what is over: the next such look is far off."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    waits = None
    # What was over has made it look again at once: that is done when it has waited twice more.
    while waits is None or wire.tallies()[1].waits < waits + 2:
        if waits is None and any("holdfast_audit" in head for head in wire.tallies()[0].statements):
            waits = wire.tallies()[1].waits
        if time.monotonic() > deadline:
            raise TimeoutError("the worker did not begin to wait for jobs, or does not prune")
        time.sleep(0.1)


def _reading(
    stand: CountingStand,
    wire: Wire,
    before: tuple[Tally, Tally],
    *,
    jobs: float,
    log: int | None = None,
) -> Reading:
    sql, redis = (now - then for now, then in zip(wire.tallies(), before, strict=True))
    values = {"redis round trips": redis.round_trips / jobs, "redis bytes": redis.bytes / jobs}
    statements: Counter[str] = sql.statements
    if stand.database == "postgres":
        values |= {
            "sql round trips": sql.round_trips / jobs,
            "sql statements": statements.total() / jobs,
            "sql bytes": sql.bytes / jobs,
        }
        if log is not None:
            values["wal bytes"] = (stand.wal() - log) / jobs
    return Reading(values, {head: n / jobs for head, n in statements.most_common() if n > 0})
