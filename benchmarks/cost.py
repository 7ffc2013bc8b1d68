"""What one job costs in processor time, disk and write-ahead log, by its kind: the figures of docs/cost.md.

`python -m benchmarks.cost` writes `benchmarks/results/cost.json`, on PostgreSQL, in about two minutes. Round trips and
bytes on the wire are those of `benchmarks.budgets`. Processor time is what the system says that processes
used, so a busy machine changes it less than it changes any clock.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks import machine
from benchmarks.budgets.stand import CountingStand, Sender

RESULTS = machine.ROOT / "benchmarks" / "results" / "cost.json"
# Kind: how one is sent by itself, and how many are sent for a worker.
KINDS = {
    "plain": ("alone", "many"),
    "kept": ("alone", "many"),
    "atomic": ("alone", "many"),
    "unique": ("distinct", "many"),
    "limited": ("alone", "many"),
    "member": ("batch", "batch"),
}
SENT, RUN, WARM = 600, 1200, 20
PATIENCE_SECONDS = 90.0
MICRO = 1_000_000
AGED = "UPDATE holdfast_job SET finished_at = finished_at - interval '60 days'"
SIZES = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
 WHERE relkind = 'r' AND relname LIKE 'holdfast_%' AND pg_relation_size(oid) > 0
"""


class Account:
    """The processor time of the processes that take part, by role, in microseconds a job."""

    def __init__(self, stand: CountingStand, worker: int | None = None) -> None:
        self._roles = {"postgres": stand.postgres.pid, "redis": stand.broker.pid}
        if worker is not None:
            self._roles["worker"] = worker
        self._before = {role: _times(pid) for role, pid in self._roles.items()}

    def used(self, jobs: int) -> dict[str, float]:
        """Return what was used since the start; a process that began meanwhile counts whole."""
        found = {}
        for role, pid in self._roles.items():
            before = self._before[role]
            spent = sum(now - before.get(each, 0.0) for each, now in _times(pid).items())
            found[role] = spent / jobs * MICRO
        return found


def main() -> None:
    """Measure every kind in turns, print the table and write it down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    with CountingStand("postgres") as stand, machine.watched() as others:
        rounds = [{kind: _kind(stand, kind) for kind in KINDS} for _ in range(options.rounds)]
        disk = _disk(stand)
        versions = machine.versions(redis=stand.broker.version(), postgres=_version(stand))
    figures = {
        kind: {
            name: round(median(each[kind][name] for each in rounds), 1) for name in rounds[0][kind]
        }
        for kind in KINDS
    }
    report: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": machine.cpu(),
        "versions": versions,
        "rounds": options.rounds,
        "busy_with_others": round(others.share, 3),
        "command": "python -m benchmarks.cost",
        "unit": "microseconds of a processor for one job; bytes for one job",
        "figures": figures,
        "disk": disk,
    }
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


def _kind(stand: CountingStand, kind: str) -> dict[str, float]:
    alone, many = KINDS[kind]
    stand.clear(stand.contender)
    with Sender(stand) as sender:
        sender.send(kind, way=alone, count=WARM, counted=False)
        account = Account(stand)
        answer = sender.send(kind, way=alone, count=SENT, counted=False)
        found = {f"send, {role}": used for role, used in account.used(SENT).items()}
        found["send, sender"] = answer["seconds"] / SENT * MICRO
        with _worker(stand) as pid:
            # What was sent is run first, so that the worker is warm.
            stand.await_all_final(stand.contender, WARM + SENT, seconds=PATIENCE_SECONDS)
            account = Account(stand, pid)
            many_sent = sender.send(kind, way=many, count=RUN, counted=False)
            stand.await_all_final(stand.contender, WARM + SENT + RUN, seconds=PATIENCE_SECONDS)
            found |= {f"run, {role}": used for role, used in account.used(RUN).items()}
            found["send many, sender"] = many_sent["seconds"] / RUN * MICRO
    return found


@contextmanager
def _worker(stand: CountingStand) -> Iterator[int]:
    # Its loops are quiet: somebody else has the duty, and they would be in the account of so few jobs.
    with (
        stand.counting(),
        stand.worker(stand.contender, pool="prefork", slots=2) as child,
    ):
        yield child.pid


def _disk(stand: CountingStand) -> dict[str, Any]:
    """Measure plain jobs with pages written whole after a checkpoint, as a server does by default."""
    stand.clear(stand.contender)
    stand.postgres.execute("ALTER SYSTEM SET full_page_writes = on")
    stand.postgres.execute("SELECT pg_reload_conf()")
    stand.postgres.execute("CHECKPOINT")
    jobs, found = 5 * RUN, {}
    with Sender(stand) as sender:
        before = stand.wal()
        with _worker(stand):
            for _ in range(5):
                sender.send("plain", way="many", count=RUN, counted=False)
            stand.await_all_final(stand.contender, jobs, seconds=PATIENCE_SECONDS)
        found["wal"] = (stand.wal() - before) / jobs
        sizes = stand.postgres.execute(SIZES, database="bench").splitlines()
        found["tables"] = sum(int(line.partition("|")[2]) for line in sizes) / jobs
        stand.postgres.execute(AGED, database="bench")
        stand.postgres.execute("CHECKPOINT")
        before = stand.wal()
        sender.send("plain", way="prune", count=0, counted=False)
        found["wal of pruning"] = (stand.wal() - before) / jobs
    left = int(stand.postgres.execute("SELECT count(*) FROM holdfast_job", database="bench"))
    if left:
        raise RuntimeError(f"{left} jobs were not pruned")
    return {"jobs": jobs} | {name: round(value, 1) for name, value in found.items()}


def _version(stand: CountingStand) -> str:
    return stand.postgres.execute("SHOW server_version").split()[0]


def _times(pid: int) -> dict[int, float]:
    """Return the seconds of a processor that a process and each of its children used."""
    found = {}
    process = psutil.Process(pid)
    for each in [process, *process.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.Error:  # it has just ended
            continue
        found[each.pid] = times.user + times.system
    return found


if __name__ == "__main__":
    main()
