"""The tables of docs/cost.md, from what was recorded last: `python -m benchmarks.cost_table --jobs-per-day 1e9`.

What a job costs is read from `budgets.json` (counted) and `cost.json` (measured); so many a day are multiplied.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.budgets.budget import Budgets
from benchmarks.cost import KINDS, RESULTS

NAMES = {
    "plain": "plain",
    "kept": "with a result",
    "atomic": "`atomic`, one row of its own",
    "unique": "`unique`",
    "limited": "with a limit that is not full",
    "member": "member of a batch, sent by 500",
}
SENT = {
    "plain": "delay()",
    "kept": "delay() of a task with a result",
    "atomic": "delay()",
    "unique": "delay() of a unique job",
    "limited": "delay() of a limited job",
    "member": "apply_many() of 500 in a batch",
}
DAY = 86_400
KIB, GIB, TIB = 1024, 1024**3, 1024**4


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost_table", description=__doc__)
    parser.add_argument("--jobs-per-day", type=float, default=1e9)
    parser.add_argument("--kept-days", type=float, default=1.0)
    options = parser.parse_args()
    counted = Budgets.read().values["postgres"]
    cost = json.loads(RESULTS.read_text())
    print(_counted(counted))
    print(_measured(cost["figures"]))
    print(_day(counted, cost, jobs=options.jobs_per_day, days=options.kept_days))


def _counted(counted: dict[str, dict[str, float]]) -> str:
    lines = [
        "| job | SQL round trips: sent, run | Redis round trips | PostgreSQL, wire | Redis, wire | WAL |",
        "|" + " --- |" * 6,
    ]
    for kind, name in NAMES.items():
        sent, run = counted[SENT[kind]], counted[f"prefork: {kind}, queued"]
        lines.append(
            f"| {name} | {sent['sql round trips']:.2f} / {run['sql round trips']:.2f} "
            f"| {sent['redis round trips']:.2f} / {run['redis round trips']:.2f} "
            f"| {sent['sql bytes'] + run['sql bytes']:,.0f} B "
            f"| {sent['redis bytes'] + run['redis bytes']:,.0f} B | {run['wal bytes']:,.0f} B |"
        )
    return "\n".join(lines) + "\n"


def _measured(figures: dict[str, dict[str, float]]) -> str:
    lines = [
        "| job | sender, one by one | sender, by 1,000 | worker | PostgreSQL, sent / run | Redis |",
        "|" + " --- |" * 6,
    ]
    for kind in KINDS:
        one = figures[kind]
        redis = one["send, redis"] + one["run, redis"]
        lines.append(
            f"| {NAMES[kind]} | {one['send, sender']:,.0f} | {one['send many, sender']:,.0f} "
            f"| {one['run, worker']:,.0f} | {one['send, postgres']:,.0f} / {one['run, postgres']:,.0f} "
            f"| {redis:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def _day(
    counted: dict[str, dict[str, float]], cost: dict[str, Any], *, jobs: float, days: float
) -> str:
    """Return what plain jobs take, each sent by itself and run from a queue that is never empty."""
    rate = jobs / DAY
    sent, run = counted["delay()"], counted["prefork: plain, queued"]
    one, disk = cost["figures"]["plain"], cost["disk"]
    trips = sent["sql round trips"] + run["sql round trips"]
    wire = sent["sql bytes"] + run["sql bytes"], sent["redis bytes"] + run["redis bytes"]
    wal = disk["wal"] + disk["wal of pruning"]
    rows = (
        ("jobs a second, on average", f"{rate:,.0f}"),
        ("commits a second", f"{rate * trips:,.0f}, of them {rate:,.0f} that wait for the disk"),
        ("commands to Redis a second", f"{rate * (1 + run['redis round trips']):,.0f}"),
        ("write-ahead log", f"{jobs * wal / TIB:,.2f} TiB a day, {rate * wal / KIB**2:,.0f} MiB/s"),
        (f"disk, kept {days:g} days", f"{jobs * days * disk['tables'] / GIB:,.0f} GiB"),
        ("network, PostgreSQL", f"{rate * wire[0] * 8 / 1e6:,.0f} Mbit/s"),
        ("network, Redis", f"{rate * wire[1] * 8 / 1e6:,.0f} Mbit/s"),
        ("cores of senders", f"{rate * one['send, sender'] / 1e6:,.1f}"),
        ("cores of workers", f"{rate * one['run, worker'] / 1e6:,.1f}"),
        # What is run was sent by many, which is nearly nothing for PostgreSQL.
        (
            "cores of PostgreSQL",
            f"{rate * (one['send, postgres'] + one['run, postgres']) / 1e6:,.1f}",
        ),
        ("cores of Redis", f"{rate * (one['send, redis'] + one['run, redis']) / 1e6:,.2f}"),
    )
    lines = [f"| {jobs:,.0f} plain jobs a day | |", "| --- | --- |"]
    return "\n".join(lines + [f"| {name} | {figure} |" for name, figure in rows])


if __name__ == "__main__":
    main()
