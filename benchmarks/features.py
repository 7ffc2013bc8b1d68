"""What each feature costs: jobs that use it against jobs that use none, sent and drained side by side.

`python -m benchmarks.features` writes `benchmarks/results/features.json`. Both are durable: the ratio says what the
feature adds to a job, not what Holdfast adds to Celery. On a machine that others use too `--cpu` counts the CPU time of
the worker and of the server in place of jobs a second: load moves it less.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks import machine, trials
from benchmarks.catalogue import DATABASES
from benchmarks.stand import Contender, Stand

RESULTS = machine.ROOT / "benchmarks" / "results" / "features.json"
BASELINE = "noop"
# Task, and how its calls are made.
FEATURES = {
    "retention of its own": ("with_retention", "loop"),
    "unique": ("unique", "loop"),
    "a limit that is never full": ("limited", "loop"),
    "encrypted": ("encrypted", "loop"),
    "typed arguments": ("typed", "loop"),
    "member of a batch": ("noop", "batch"),
    "member of a chord": ("noop", "chord"),
    "a line of log": ("with_log", "loop"),
    "an effect": ("with_effect", "loop"),
    "a checkpoint": ("with_checkpoint", "loop"),
}
SENT, DRAINED, COUNTED = 1500, 4000, 800
# CPU time is counted where there is little of it.
LONG_SECONDS = 240.0

Rates = dict[tuple[str, str, str], list[float]]


def main() -> None:
    """Measure what was asked for, print the table and write it down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database", choices=DATABASES)
    parser.add_argument("--feature", choices=FEATURES)
    parser.add_argument(
        "--cpu", action="store_true", help="microseconds of CPU a drained job takes"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    databases = (options.database,) if options.database else DATABASES
    chosen = [options.feature] if options.feature else list(FEATURES)
    begun = datetime.now(UTC)
    with Stand(set(databases)) as stand, machine.watched() as others:
        measure = _measure_cpu if options.cpu else _measure
        rates = measure(stand, databases, chosen, rounds=options.rounds)
    rows = [
        _row(rates, database, feature, step)
        for database in databases
        for feature in chosen
        for step in (("cpu us",) if options.cpu else ("dispatch", "drain"))
    ]
    report: dict[str, Any] = {
        "date": begun.isoformat(timespec="seconds"),
        "cpu": machine.cpu(),
        "rounds": options.rounds,
        "busy_with_others": round(others.share, 3),
        "command": "python -m benchmarks.features" + " --cpu" * options.cpu,
        "figures": rows,
    }
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    for row in rows:
        print(
            f"{row['feature']:26} {row['database']:9} {row['step']:9} {row['with']:8.0f} {row['without']:8.0f} "
            f"{row['ratio']:.2f}  {row['ratio_min']:.2f}-{row['ratio_max']:.2f}"
        )


def _measure(stand: Stand, databases: Any, chosen: list[str], *, rounds: int) -> Rates:
    rates: Rates = defaultdict(list)
    for number in range(rounds):
        for database in databases:
            contender = Contender(
                name="durable", app="benchmarks.project.featured_app", database=database
            )
            for name in [BASELINE, *chosen] if number % 2 else [*reversed(chosen), BASELINE]:
                task, way = FEATURES.get(name, (BASELINE, "loop"))
                stand.clear(contender)
                rates[database, name, "dispatch"].append(
                    stand.send(contender, task=task, way=way, count=SENT, warm=True)
                )
                stand.clear(contender)
                bulk = "bulk" if way == "loop" else way
                rates[database, name, "drain"].append(
                    trials.drain(task=task, count=DRAINED, way=bulk)(stand, contender)["rate"]
                )
    return rates


def _measure_cpu(stand: Stand, databases: Any, chosen: list[str], *, rounds: int) -> Rates:
    rates: Rates = defaultdict(list)
    for number in range(rounds):
        for database in databases:
            contender = Contender(
                name="durable", app="benchmarks.project.featured_app", database=database
            )
            for name in [BASELINE, *chosen] if number % 2 else [*reversed(chosen), BASELINE]:
                task, way = FEATURES.get(name, (BASELINE, "loop"))
                stand.clear(contender)
                bulk = "bulk" if way == "loop" else way
                stand.send(contender, task=task, way=bulk, count=COUNTED)
                rates[database, name, "cpu us"].append(_cpu_of_a_job(stand, contender))
    return rates


def _cpu_of_a_job(stand: Stand, contender: Contender) -> float:
    with stand.worker(contender, pool="prefork", slots=2) as child:
        first = stand.await_ran(COUNTED // 10, seconds=LONG_SECONDS)
        processes = [psutil.Process(child.pid)]
        if contender.database == "postgres":
            processes.append(psutil.Process(stand.postgres.pid))
        before = sum(map(machine.cpu_seconds, processes))
        stand.await_ran(COUNTED, seconds=LONG_SECONDS)
        stand.await_all_final(contender, COUNTED, seconds=60)
        return (sum(map(machine.cpu_seconds, processes)) - before) / (COUNTED - first) * 1e6


def _row(rates: Rates, database: str, feature: str, step: str) -> dict[str, Any]:
    mine, plain = rates[database, feature, step], rates[database, BASELINE, step]
    ratios = sorted(one / other for one, other in zip(mine, plain, strict=True))
    return {
        "feature": feature,
        "database": database,
        "step": step,
        "with": round(median(mine), 1),
        "without": round(median(plain), 1),
        "ratio": round(median(ratios), 3),
        "ratio_min": round(ratios[0], 3),
        "ratio_max": round(ratios[-1], 3),
    }


if __name__ == "__main__":
    main()
