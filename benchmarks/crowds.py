"""Very many jobs: queued while the broker is wiped, as members of a batch, and held for a time far ahead."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import psutil
import redis

from benchmarks import trials
from benchmarks.stand import Contender, Stand
from holdfast.ledger.states import State

APP = "benchmarks.project.durable"
MIB = 1024 * 1024
QUEUED, MEMBERS, ETAS = 1_000_000, 100_000, 100_000
BATCH_ROUNDS = 5
PATIENCE_SECONDS = 200.0
GRACE_SECONDS = 10.0
_FILL = f"""
WITH numbers AS (SELECT n, 'backlog-' || lpad(n::text, 9, '0') AS id FROM generate_series(1, %(count)s) AS n),
job AS (
  INSERT INTO holdfast_job (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold,
      reason, recorded_at, published_at, due_at, ignore_result, linked, unsettled)
  SELECT id, 'benchmarks.project.tasks.noop', 'celery', 0, %(state)s, 1, 0, 0, 0, false, false, %(hold)s, '', now(),
      CASE WHEN %(state)s = {State.QUEUED} THEN now() - interval '1 minute' END,
      CASE WHEN %(state)s = {State.HELD} THEN now() + interval '1 month' END, true, false, false FROM numbers)
INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding)
SELECT id, '{{"argsrepr": "(1,)", "kwargsrepr": "{{}}", "origin": "web@host"}}',
  '[[1], {{}}, {{"callbacks": null, "errbacks": null, "chain": null, "chord": null}}]', 'application/json', 'utf-8'
  FROM numbers
"""


def wiped(stand: Stand, database: str, *, share: float) -> dict[str, Any]:
    """Queue jobs that the broker has lost, with an idle worker beside them: when does one run, when are all back?"""
    contender = Contender(name="wiped", app=APP, database=database)
    count = int(QUEUED * share)
    with stand.worker(contender, pool="solo", slots=1):
        stand.send(contender, task="noop", way="bulk", count=1)
        stand.await_ran(1, seconds=60)
        # Published a minute ago: the worker finds a broker that was wiped since, as old as its grace.
        with stand.connected() as connection:
            fill_queue(connection, count)
        begun = time.monotonic()
        stand.await_ran(2, seconds=PATIENCE_SECONDS)
        first = time.monotonic() - begun
        client = redis.Redis.from_url(stand.broker.url)
        most = 0
        with stand.connected() as connection:
            while left := _published_before(connection, seconds=begun):
                if time.monotonic() - begun > PATIENCE_SECONDS:
                    raise TimeoutError(f"{left} of {count} jobs are not published again")
                most = max(most, int(client.llen("celery")))
                time.sleep(0.2)
            all_back = time.monotonic() - begun
            # A sweep later: what is healthy is not published once more.
            time.sleep(GRACE_SECONDS + 8)
            doubled = _doubled(connection)
    return {
        "queued": count,
        # The grace has passed for jobs of a minute ago, and would not have for fresh ones.
        "first_job_seconds": round(first + GRACE_SECONDS, 1),
        "all_published_seconds": round(all_back + GRACE_SECONDS, 1),
        "rate": round(count / all_back),
        "published_twice": doubled,
        "redis_mib": round(int(client.info("memory")["used_memory_peak"]) / MIB),
    }


def batch(stand: Stand, database: str, *, share: float) -> dict[str, Any]:
    """Send and drain the same jobs in a batch and without, in turns: medians, and ratios of neighbours."""
    contender = Contender(name="batch", app=APP, database=database)
    count = int(MEMBERS * share)
    rounds = [
        {way: _sent_and_drained(stand, contender, way, count) for way in ("bulk", "batch")}
        for _ in range(BATCH_ROUNDS)
    ]
    found: dict[str, Any] = {"jobs": count, "rounds": BATCH_ROUNDS}
    for part in ("send", "drain"):
        ratios = [each["batch"][part] / each["bulk"][part] for each in rounds]
        found[part] = {
            **{way: round(median(each[way][part] for each in rounds), 1) for way in rounds[0]},
            "ratio": round(median(ratios), 3),
            "ratio_min": round(min(ratios), 3),
            "ratio_max": round(max(ratios), 3),
        }
    return found


def _sent_and_drained(stand: Stand, contender: Contender, way: str, count: int) -> dict[str, float]:
    stand.clear(contender)
    sent = count / stand.send(contender, task="noop", way=way, count=count)
    with stand.worker(contender, pool="prefork", slots=2):
        stand.await_ran(count // 20, seconds=60)
        begun = time.monotonic()
        stand.await_ran(count, seconds=PATIENCE_SECONDS)
        stand.await_all_final(contender, count, seconds=30)
        return {"send": sent, "drain": (time.monotonic() - begun) / 0.95}


def far_etas(stand: Stand, database: str, *, share: float) -> dict[str, Any]:
    """Hold jobs for a month: what does a worker's memory say, and how late is what is due meanwhile?"""
    contender = Contender(name="etas", app=APP, database=database)
    count, due = int(ETAS * share), 300
    with stand.worker(contender, pool="prefork", slots=2) as child:
        stand.send(contender, task="timed", way="later", count=due)
        stand.await_ran(due, seconds=60)
        before = _pss(child.pid)
        without = _lateness(stand)
        stand.send(contender, task="noop", way="far", count=count)
        stand.ran.flushall()
        stand.send(contender, task="timed", way="later", count=due)
        stand.await_ran(2 * due, seconds=60)
        after = _pss(child.pid)
        late = _lateness(stand)
    return {
        "held": count,
        "worker_mib_before": round(before, 1),
        "worker_mib_after": round(after, 1),
        "late_p50_ms": late["p50"],
        "late_p99_ms": late["p99"],
        "late_p99_ms_without": without["p99"],
    }


def _lateness(stand: Stand) -> dict[str, float]:
    times = [float(text) * 1000 for text in stand.ran.lrange("latencies", 0, -1)]
    return {name: round(value, 1) for name, value in trials.percentiles(times).items()}


def fill_queue(connection: Any, count: int) -> None:
    """Record jobs that were published a minute ago, past the ledger's own functions."""
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"count": count, "state": int(State.QUEUED), "hold": ""})


def _published_before(connection: Any, *, seconds: float) -> int:
    ago = time.monotonic() - seconds + 20
    row = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM holdfast_job WHERE state = {int(State.QUEUED)} AND queue = 'celery' "
        "AND priority = 0 AND published_at < now() - %s * interval '1 second' LIMIT 1) AS old",
        [ago],
    ).fetchone()
    return int(row[0])


def _doubled(connection: Any) -> int:
    """Count jobs whose token rose more often than by being published again once, and by moves of an attempt."""
    row = connection.execute(
        f"SELECT count(*) FROM holdfast_job WHERE state = {int(State.QUEUED)} AND token > 2"
    ).fetchone()
    return int(row[0])


def _pss(pid: int) -> float:
    worker = psutil.Process(pid)
    processes = [worker, *worker.children(recursive=True)]
    return sum(float(each.memory_full_info().pss) for each in processes) / MIB
