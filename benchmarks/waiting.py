"""Jobs that wait: the asyncio pool beside threads and processes, on the ledger of one database.

Each pool gets jobs of `await asyncio.sleep(0.5)` in one go. Printed as JSON, for each pool: jobs a second, most bodies
at once, PSS of the worker's processes before and at most, and most connections to the database beside the driver's.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import psutil

from benchmarks import machine
from benchmarks.stand import Contender, Stand

MIB = 1024 * 1024
LOOK_SECONDS = 0.1
# Pool, slots, share of the jobs: eight processes would need two minutes for all.
POOLS = (("custom", 1000, 1.0), ("threads", 100, 1.0), ("prefork", 8, 0.1))
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


def main() -> None:
    """Measure each pool once, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    options = parser.parse_args()
    contender = Contender(
        name="waiting", app="benchmarks.project.durable", database=options.database
    )
    found = {}
    with Stand({options.database}) as stand, machine.watched() as others:
        for pool, slots, share in POOLS:
            stand.clear(contender)
            found[f"{pool} -c {slots}"] = _measure(
                stand, contender, pool, slots, int(options.jobs * share)
            )
    print(json.dumps({"busy_with_others": round(others.share, 3), "pools": found}, indent=1))


def _measure(
    stand: Stand, contender: Contender, pool: str, slots: int, jobs: int
) -> dict[str, Any]:
    with stand.worker(contender, pool=pool, slots=slots) as child:
        stand.send(contender, task="noop", way="bulk", count=1)
        stand.await_ran(1, seconds=60)
        before = _pss(child.pid)
        begun = time.monotonic()
        stand.send(contender, task="wait", way="bulk", count=jobs)
        memory, connections, at_once = before, 0, 0
        while stand.await_ran(0, seconds=0) < 1 + jobs:
            memory = max(memory, _pss(child.pid))
            connections = max(connections, _connections(stand, contender))
            at_once = max(at_once, int(stand.ran.get("waiting") or 0))
            time.sleep(LOOK_SECONDS)
        stand.await_all_final(contender, 1 + jobs, seconds=30)
        seconds = time.monotonic() - begun
    return {
        "jobs": jobs,
        "jobs_per_second": round(jobs / seconds),
        "most_at_once": at_once,
        "idle_mib": round(before),
        "most_mib": round(memory),
        "connections": connections,
    }


def _pss(pid: int) -> float:
    worker = psutil.Process(pid)
    processes = [worker, *worker.children(recursive=True)]
    return sum(float(each.memory_full_info().pss) for each in processes) / MIB


def _connections(stand: Stand, contender: Contender) -> int:
    if contender.database == "sqlite":
        return 0
    return int(stand.postgres.execute(CONNECTIONS, database="bench")) - 1


if __name__ == "__main__":
    main()
