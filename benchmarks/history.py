"""What a long history costs: the moves of a job in a ledger of millions of finished rows, against an empty one.

`python -m benchmarks.history` writes `benchmarks/results/history.json`. Both ledgers are databases of one private
PostgreSQL server; each move is timed on the one and on the other in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import django
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from benchmarks import machine
from benchmarks.crowds import fill_queue
from holdfast.testing.services import PostgresServer

if TYPE_CHECKING:
    from holdfast.ledger.records import NewJob

RESULTS = machine.ROOT / "benchmarks" / "results" / "history.json"
LEDGERS = ("empty", "full")
MOVES = ("dispatch", "dispatch 500", "claim 16", "succeed", "look of the duty")
CHUNK = 500_000
DAYS = 30
TASK = "shop.tasks.measured"

# Ids sort by the time they were made, as those the ledger mints.
_FILL = """
WITH numbers AS (
  SELECT n, now() - interval '1 day' * (%(days)s * greatest(0, 1 - n::float8 / %(rows)s)) AS at
    FROM generate_series(%(first)s, %(last)s) AS n
), made AS (
  SELECT n, at, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS ms FROM numbers
), job AS (
  INSERT INTO holdfast_job (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold,
      reason, recorded_at, published_at, started_at, finished_at, worker, ignore_result, linked, unsettled, fingerprint)
  SELECT substr(ms, 1, 8) || '-' || substr(ms, 9) || '-7000-8000-' || lpad(to_hex(n), 12, '0'),
      'shop.tasks.task_' || n %% 40, 'celery', 0, CASE WHEN n %% 100 = 0 THEN 4 ELSE 3 END,
      3, 1, 0, 0, false, false, '', '', at, at, at, at, %(worker)s, false, false, false,
      CASE WHEN n %% 100 = 0 THEN 'f' || n %% 37 ELSE '' END
    FROM made RETURNING id
), payload AS (
  INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding)
  SELECT id, '{"argsrepr": "(1, 2)", "kwargsrepr": "{}", "origin": "web@host"}', '[[1, 2], {}, {"callbacks": null}]',
      'application/json', 'utf-8' FROM job
)
INSERT INTO holdfast_result (id, status, result, content_type, content_encoding, stored_at, bare)
SELECT id, 'SUCCESS', '3', 'application/json', 'utf-8', now(), false FROM job
"""


def main() -> None:
    """Fill one ledger, time the moves in both, print and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument(
        "--queued", type=int, default=0, help="jobs that wait beside the finished ones"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    begun = datetime.now(UTC)
    with ledgers() as server:
        filled = fill(options.rows, queued=options.queued)
        size = _size_in_gib()
        with machine.watched() as others:
            runs = _time_the_moves(options.rounds)
            with inside("full"):
                renewed = {} if options.queued else _renew(options.rows)
        figures = {
            move: {
                **{f"{ledger}_us": round(median(taken[ledger]), 1) for ledger in LEDGERS},
                "ratio": round(median(taken["full"]) / median(taken["empty"]), 3),
                "ratio_min": round(min(_ratios(taken)), 3),
                "ratio_max": round(max(_ratios(taken)), 3),
            }
            for move, taken in runs.items()
        }
        report = {
            "rows": options.rows,
            "queued": options.queued,
            "gib": size,
            "fill_seconds": filled,
            "rounds": options.rounds,
            "date": begun.isoformat(timespec="seconds"),
            "busy_with_others": round(others.share, 3),
            "cpu": machine.cpu(),
            "versions": machine.versions(redis="", postgres=server.execute("SHOW server_version")),
            "command": f"python -m benchmarks.history --rows {options.rows} --queued {options.queued}",
            "figures": figures,
            "renewing_a_fifth": renewed,
        }
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


@contextmanager
def ledgers() -> Iterator[PostgresServer]:
    """Start a server with two migrated ledgers, of which one is to be filled; Django is set up for both."""
    # Below /tmp: PostgreSQL's unprivileged user must be able to reach it.
    directory = Path(tempfile.mkdtemp(prefix="holdfast-history-"))
    directory.chmod(0o755)
    server = PostgresServer(directory)
    try:
        server.start()
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "benchmarks.project.settings",
            "BENCH_APPS": "holdfast",
            "BENCH_DATABASE_URL": server.create_database("empty"),
        }
        server.create_database("full")
        django.setup()
        databases = connections.settings
        databases["empty"] = databases["default"]
        databases["full"] = databases["default"] | {"NAME": "full"}
        for ledger in LEDGERS:
            with inside(ledger):
                call_command("migrate", "holdfast", database=ledger, verbosity=0)
        yield server
        connections.close_all()
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def inside(ledger: str) -> Iterator[None]:
    """Work on one of the two ledgers."""
    with override_settings(HOLDFAST={"database": ledger}):
        yield


def fill(rows: int, *, queued: int) -> float:
    """Fill the ledger that is to be full; return how many seconds it took."""
    begun = time.monotonic()
    with connections["full"].cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        for first in range(1, rows + 1, CHUNK):
            last = min(rows, first + CHUNK - 1)
            _insert(first, last, rows=rows)
            print(f"{last:,} rows after {time.monotonic() - begun:.0f} s", flush=True)
        if queued:
            fill_queue(connections["full"], queued)
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")
        cursor.execute("SET synchronous_commit = on")
    return round(time.monotonic() - begun, 1)


def _insert(first: int, last: int, *, rows: int) -> None:
    """Insert finished jobs by their numbers: number `rows` ended now, the first a month ago."""
    values: dict[str, Any] = {
        "first": first,
        "last": last,
        "rows": rows,
        "days": DAYS,
        "worker": str(UUID(int=1)),
    }
    with connections["full"].cursor() as cursor:
        cursor.execute(_FILL, values)


def _size_in_gib() -> float:
    with connections["full"].cursor() as cursor:
        cursor.execute("SELECT pg_database_size('full')")
        return round(cursor.fetchone()[0] / 2**30, 2)


def _time_the_moves(rounds: int) -> dict[str, dict[str, list[float]]]:
    from holdfast.ledger.database import dialect

    runs: dict[str, dict[str, list[float]]] = {
        move: {ledger: [] for ledger in LEDGERS} for move in MOVES
    }
    workers = {}
    for ledger in LEDGERS:
        with inside(ledger):
            workers[ledger] = _hire()
            dialect().own_session()  # as a worker's clerk does
            _one_round(workers[ledger])  # plans, pages and the interpreter get warm
    for number in range(rounds):
        for ledger in LEDGERS if number % 2 else reversed(LEDGERS):
            with inside(ledger):
                for move, microseconds in _one_round(workers[ledger]).items():
                    runs[move][ledger].append(microseconds)
    return runs


def _one_round(worker: UUID) -> dict[str, float]:
    from holdfast.ledger import duty, transitions
    from holdfast.ledger.records import Hold

    singles, many = 400, 4
    tickets = []
    taken = {
        "dispatch": _each(singles, lambda: tickets.extend(transitions.record(_calls(1)))),
        "dispatch 500": _each(many, lambda: tickets.extend(transitions.record(_calls(500)))),
    }
    claimed = []
    batches = iter([tickets[at : at + 16] for at in range(0, 1600, 16)])
    taken["claim 16"] = _each(
        100,
        lambda: claimed.extend(
            transitions.claim(
                [(t.id, t.token, False) for t in next(batches)], worker=worker
            ).claimed
        ),
    )
    ends = iter(claimed)
    taken["succeed"] = _each(len(claimed), lambda: _succeed(transitions, next(ends), worker, Hold))
    taken["look of the duty"] = _each(200, duty.look)
    with connections[_database()].cursor() as cursor:
        cursor.execute(
            "UPDATE holdfast_job SET state = 5, finished_at = now() WHERE state = 1 AND task = %s",
            [TASK],
        )
    return taken


def _renew(rows: int) -> dict[str, float]:
    """Delete the oldest fifth and record as many new ones, 1,000 at a time; return what it took and what it left."""
    from holdfast.ledger.reads import queries
    from holdfast.ledger.states import DEAD_LETTERS, FINAL

    kept = timedelta(days=DAYS * 0.8)
    deleting, recorded, before = [], rows, _size_in_gib()
    while True:
        begun = time.perf_counter()
        if not queries.prune_finished(states=FINAL - DEAD_LETTERS, before=kept, limit=1000):
            break
        deleting.append((time.perf_counter() - begun) * 1000)
        _insert(recorded + 1, recorded + 1000, rows=rows)
        recorded += 1000
    return {
        "deleted": len(deleting) * 1000,
        "delete_1000_ms": round(median(deleting), 1),
        "delete_1000_ms_max": round(max(deleting), 1),
        "gib_before": before,
        "gib_after": _size_in_gib(),
    }


def _succeed(transitions: object, job: object, worker: UUID, hold: type) -> None:
    from holdfast.ledger.records import StoredResult

    stored = StoredResult(
        status="SUCCESS", result=b"3", content_type="application/json", content_encoding="utf-8"
    )
    assert transitions.succeed(hold(job.id, job.token, worker), stored=stored)  # type: ignore[attr-defined]


def _calls(count: int) -> list[NewJob]:
    from holdfast.ledger.ids import new_id
    from holdfast.ledger.records import NewJob

    return [
        NewJob(
            id=new_id(),
            task=TASK,
            queue="celery",
            headers='{"argsrepr": "(1, 2)", "kwargsrepr": "{}"}',
            body=b'[[1, 2], {}, {"callbacks": null}]',
            content_type="application/json",
            content_encoding="utf-8",
        )
        for _ in range(count)
    ]


def _hire() -> UUID:
    from holdfast.ledger import workers

    worker = uuid4()
    workers.register(
        workers.Incarnation(
            id=worker, name="w", host="h", pid=1, pool="prefork", concurrency=1, queues=["celery"]
        )
    )
    with connections[_database()].cursor() as cursor:
        cursor.execute("UPDATE holdfast_worker SET lease_until = now() + interval '1 day'")
    return worker


def _database() -> str:
    from holdfast.conf import get_settings

    return get_settings().database


def _each(times: int, work: Callable[[], object]) -> float:
    """Return the microseconds one call takes."""
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times * 1e6


def _ratios(taken: dict[str, list[float]]) -> list[float]:
    return [full / empty for full, empty in zip(taken["full"], taken["empty"], strict=True)]


if __name__ == "__main__":
    main()
