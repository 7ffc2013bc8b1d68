"""What the console's pages take of a web process, where the ledger is full.

`python -m benchmarks.pages` writes `benchmarks/results/pages.json`: ten million finished jobs, 5,000 that wait, 50
workers, a day of minutes. Each page is asked for in turn by Django's own client, as HTML, with nobody else looking.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from types import ModuleType
from typing import Any
from uuid import uuid4

from django.db import connections
from django.test import Client, override_settings
from django.urls import include, path

from benchmarks import history, machine

RESULTS = machine.ROOT / "benchmarks" / "results" / "pages.json"
GOAL_MS = 200.0
WORKERS = 50
ROOT = "/holdfast/"
# Beside what has no argument: lists as people filter them. A name in brackets is filled in from the ledger.
ADDRESSES = (
    "jobs/?state=failed",
    "jobs/?q=task:shop.tasks.task_7",
    "jobs/?q=state:failed task:shop.tasks.task_7 since:2d",
    "jobs/?q=args.0:42",
    "jobs/?q=error:refused",
    "jobs/{job}/",
    "errors/{fingerprint}/",
    "queues/celery/",
    "workers/{worker}/",
)
_ERRORS = """
INSERT INTO holdfast_attempt (job, number, token, worker, started_at, ended_at, outcome, error, traceback, fingerprint)
SELECT id, 1, 2, worker, started_at, finished_at, 'failed', 'ConnectionError: refused by ' || fingerprint, '',
    fingerprint
  FROM holdfast_job WHERE state = 4
"""
_ENDS = "UPDATE holdfast_job SET attempts = 1, failures = 1, reason = 'error' WHERE state = 4"
_MINUTES = """
INSERT INTO holdfast_minute (at, task, queue, succeeded, failed, cancelled, retried, run_seconds, waits, runs)
SELECT date_trunc('minute', now()) - n * interval '1 minute',
    CASE WHEN t < 40 THEN 'shop.tasks.task_' || t ELSE '' END, CASE WHEN t = 40 THEN 'celery' ELSE '' END,
    100 + t, t % 3, 0, t % 5, 12.5, '{"10": 50, "14": 50}', '{"12": 90, "20": 10}'
  FROM generate_series(1, 1440) AS n, generate_series(0, 41) AS t
"""


def main() -> None:
    """Fill a ledger, ask for each page, print and write what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    begun = datetime.now(UTC)
    with history.ledgers() as server:
        history.fill(options.rows, queued=5000)
        with history.inside("full"):
            _add()
            with machine.watched() as others:
                taken = _ask(options.rounds)
        report = {
            "rows": options.rows,
            "rounds": options.rounds,
            "goal_ms": GOAL_MS,
            "pages": taken,
            "date": begun.isoformat(timespec="seconds"),
            "busy_with_others": round(others.share, 3),
            "cpu": machine.cpu(),
            "versions": machine.versions(redis="", postgres=server.execute("SHOW server_version")),
            "command": f"python -m benchmarks.pages --rows {options.rows}",
        }
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    for address, figures in taken.items():
        late = "  over the goal" if figures["p95_ms"] > GOAL_MS else ""
        print(
            f"{figures['p50_ms']:8.1f} {figures['p95_ms']:8.1f} ms  {figures['kib']:6.0f} KiB  {address}{late}"
        )


def _add() -> None:
    """Add what the moves of jobs do not need: errors of the dead letters, minutes of a day, many workers."""
    from holdfast.ledger import workers

    with connections["full"].cursor() as cursor:
        for statement in (_ERRORS, _ENDS, _MINUTES):
            cursor.execute(statement)
        for number in range(WORKERS):
            workers.register(
                workers.Incarnation(
                    id=uuid4(),
                    name=f"worker-{number}@host",
                    host="host",
                    pid=number,
                    pool="prefork",
                    concurrency=8,
                    queues=["celery", "mail"],
                )
            )
        cursor.execute("UPDATE holdfast_worker SET lease_until = now() + interval '1 day'")
        cursor.execute("VACUUM (ANALYZE)")


def _ask(rounds: int) -> dict[str, dict[str, float]]:
    from holdfast.console.pages import PAGES

    urls: Any = ModuleType("benchmarks.console_urls")
    urls.urlpatterns = [path("holdfast/", include("holdfast.urls"))]
    sys.modules[urls.__name__] = urls
    taken: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, int] = {}
    said = {"database": "full", "console_access": "benchmarks.pages.everybody"}
    with override_settings(
        ROOT_URLCONF=urls.__name__, HOLDFAST=said, ALLOWED_HOSTS=["*"], STATIC_URL="/static/"
    ):
        client = Client()
        client.get(ROOT)  # loads the pages
        plain = [page.route for page in PAGES.values() if "<" not in page.route]
        addresses = [*plain, *(address.format(**_names()) for address in ADDRESSES)]
        for number in range(rounds + 1):
            for address in addresses:
                started = time.perf_counter()
                answer = client.get(ROOT + address)
                milliseconds = (time.perf_counter() - started) * 1000
                if answer.status_code == 400 and address in plain:
                    continue  # it wants to be asked for something
                if answer.status_code != 200:
                    raise RuntimeError(f"{address}: {answer.status_code} {answer.content[-400:]!r}")
                if number:
                    taken[address].append(milliseconds)
                    sizes[address] = len(answer.content)
    return {
        address: {
            "p50_ms": round(median(times), 1),
            "p95_ms": round(quantiles(times, n=20)[18], 1),
            "max_ms": round(max(times), 1),
            "kib": round(sizes[address] / 1024, 1),
        }
        for address, times in taken.items()
    }


def _names() -> dict[str, str]:
    with connections["full"].cursor() as cursor:
        cursor.execute(
            "SELECT id, fingerprint FROM holdfast_job WHERE state = 4 ORDER BY finished_at DESC LIMIT 1"
        )
        job, fingerprint = cursor.fetchone()
        cursor.execute("SELECT id::text FROM holdfast_worker WHERE name = 'worker-1@host'")
        (worker,) = cursor.fetchone()
    return {"job": job, "fingerprint": fingerprint, "worker": worker}


def everybody(_request: object) -> str:
    """Let whoever asks do everything: it is this process."""
    return "administer"


if __name__ == "__main__":
    main()
