"""A heavy request, and the same work moved out of it: how long 20 users wait for an answer either way.

`python -m benchmarks.request` writes `benchmarks/results/request.json`: JOST's report over a million sales, on
PostgreSQL, with one web process and one worker of two threads. Each user asks, waits for the result, and asks again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any

import requests

from benchmarks import machine
from holdfast.testing.child import Child
from holdfast.testing.services import PostgresServer, RedisServer, free_port

RESULTS = machine.ROOT / "benchmarks" / "results" / "request.json"
GOAL_MS = 45.0
USERS = 20
WORKER_THREADS = 2
# As the page of a report does.
LOOK_EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 180.0
_TOKENS = """
import json, sys
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
names = [f"user{{n}}" for n in range({users})]
print(json.dumps([Token.objects.create(user=User.objects.create_user(name)).key for name in names]))
"""
_YEAR = """
import json
from django.utils import timezone
from jost.reports.periods import last_year
year = last_year(today=timezone.localdate())
print(json.dumps({"since": str(year.since), "until": str(year.until)}))
"""


@dataclass(slots=True)
class Taken:
    """Milliseconds of single requests, by what they were for; added to by many threads."""

    request: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    result: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """JOST as it runs for this measurement."""

    url: str
    period: dict[str, str]
    tokens: list[str]
    postgres: str


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.request", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = measure(rows=options.rows, rounds=options.rounds, seconds=options.seconds)
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def measure(
    *, rows: int, rounds: int, seconds: float, users: int = USERS, alone: int = 10
) -> dict[str, Any]:
    """Let one user ask alone, then many of them, in rounds that take turns."""
    begun = datetime.now(UTC)
    with site(rows=rows, users=users) as jost, machine.watched() as others:
        single = [_timed(lambda: _now(jost, token=jost.tokens[0])) for _ in range(alone + 1)][1:]
        taken: dict[str, list[Taken]] = {"in_the_request": [], "by_jobs": []}
        for _ in range(rounds):
            for name, one in (("in_the_request", _waits), ("by_jobs", _is_served)):
                machine.wait_for_quiet()
                taken[name].append(_round(jost, one=one, seconds=seconds))
    return {
        "rows": rows,
        "users": users,
        "rounds": rounds,
        "seconds_of_a_round": seconds,
        "worker_threads": WORKER_THREADS,
        "goal_ms": GOAL_MS,
        "alone_ms": round(median(single), 1),
        **{name: _figures(of_rounds) for name, of_rounds in taken.items()},
        "date": begun.isoformat(timespec="seconds"),
        "busy_with_others": round(others.share, 3),
        "cpu": machine.cpu(),
        "versions": machine.versions(redis="", postgres=jost.postgres),
        "command": f"python -m benchmarks.request --rows {rows} --rounds {rounds} --seconds {seconds:g}",
    }


@contextmanager
def site(*, rows: int, users: int) -> Iterator[Site]:
    """Start JOST on a PostgreSQL and a Redis of its own, with so many sales and users."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jost-request-")))
        directory.chmod(0o755)  # PostgreSQL's unprivileged user must reach its folder
        redis = stack.enter_context(RedisServer(directory / "redis"))
        (directory / "postgres").mkdir()
        server = stack.enter_context(PostgresServer(directory / "postgres"))
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= {
            "PYTHONPATH": os.pathsep.join((str(machine.ROOT / "src"), str(machine.ROOT))),
            "DJANGO_SETTINGS_MODULE": "jost.settings.test",
            "JOST_DATA_DIR": str(directory),
            "DATABASE_URL": server.create_database("request"),
            "CELERY_BROKER_URL": redis.url,
            "LOG_LEVEL": "WARNING",
        }
        _manage(environment, "migrate", "--verbosity", "0")
        _manage(environment, "seed_sales", "--rows", str(rows), "--verbosity", "0")
        server.execute("VACUUM (ANALYZE)", database="request")
        tokens = json.loads(_shell(environment, _TOKENS.format(users=users)))
        port = str(free_port())
        web = ["uvicorn", "jost.asgi:application", "--port", port, "--lifespan", "off"]
        worker = ["celery", "-A", "jost", "worker", "-P", "threads", "-Q", "low-priority"]
        worker += ["-c", str(WORKER_THREADS)]
        for name, command in (("web", [*web, "--no-access-log"]), ("worker", worker)):
            log = directory / f"{name}.log"
            child = Child([sys.executable, "-m", *command], log=log, environment=environment)
            stack.callback(child.end_family)
        found = Site(
            url=f"http://127.0.0.1:{port}/api/reports/",
            period=json.loads(_shell(environment, _YEAR)),
            tokens=tokens,
            postgres=server.execute("SHOW server_version"),
        )
        _warm(found)
        yield found


def _manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=machine.ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments[:1])}: {done.stderr[-2000:]}")
    return done.stdout


def _shell(environment: dict[str, str], code: str) -> str:
    return _manage(environment, "shell", "--verbosity", "0", "-c", code)


def _warm(jost: Site) -> None:
    """Wait until the web process answers and the worker works; leave both with open connections."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            requests.get(jost.url, timeout=10).raise_for_status()
            break
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    _is_served(jost, token=jost.tokens[0], taken=Taken(), session=requests.Session())


def _round(jost: Site, *, one: Callable[..., None], seconds: float) -> Taken:
    """Let every user ask again and again for so long; the last ones get what they asked for."""
    taken = Taken()
    deadline = time.monotonic() + seconds

    def user(number: int) -> None:
        # Nobody begins in step with the others.
        time.sleep(Random(number).random())
        with requests.Session() as session:
            while time.monotonic() < deadline:
                one(jost, token=jost.tokens[number], taken=taken, session=session)

    with ThreadPoolExecutor(len(jost.tokens)) as pool:
        list(pool.map(user, range(len(jost.tokens))))
    return taken


def _waits(jost: Site, *, token: str, taken: Taken, session: requests.Session) -> None:
    """Have a report made in the request."""
    milliseconds = _timed(lambda: _now(jost, token=token, session=session))
    taken.request.append(milliseconds)
    taken.result.append(milliseconds)


def _is_served(jost: Site, *, token: str, taken: Taken, session: requests.Session) -> None:
    """Ask for a report, and look until it is there."""
    headers = {"Authorization": f"Token {token}"}
    begun = time.perf_counter()
    answer = session.post(jost.url, json=jost.period, headers=headers, timeout=PATIENCE_SECONDS)
    taken.request.append((time.perf_counter() - begun) * 1000)
    _require(answer, status=202)
    address = answer.json()["url"]
    while time.perf_counter() - begun < PATIENCE_SECONDS:
        time.sleep(LOOK_EVERY_SECONDS)
        looked = time.perf_counter()
        report = session.get(address, headers=headers, timeout=PATIENCE_SECONDS)
        taken.looks.append((time.perf_counter() - looked) * 1000)
        _require(report, status=200)
        if report.json()["state"] == "succeeded":
            taken.result.append((time.perf_counter() - begun) * 1000)
            return
    raise RuntimeError(f"{address} was not made in {PATIENCE_SECONDS:.0f} s: {report.text[:500]}")


def _now(jost: Site, *, token: str, session: requests.Session | None = None) -> None:
    headers = {"Authorization": f"Token {token}"}
    address = f"{jost.url}now/"
    asked = session or requests
    answer = asked.post(address, json=jost.period, headers=headers, timeout=PATIENCE_SECONDS)
    _require(answer, status=200)


def _require(answer: requests.Response, *, status: int) -> None:
    if answer.status_code != status:
        raise RuntimeError(f"{answer.url}: {answer.status_code} {answer.text[:500]}")


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def _figures(rounds: list[Taken]) -> dict[str, Any]:
    """Medians of the rounds' own percentiles, and how far the rounds are apart."""
    request = [_percentiles(taken.request) for taken in rounds]
    result = [_percentiles(taken.result) for taken in rounds]
    return {
        "requests": sum(len(taken.request) for taken in rounds),
        "results": sum(len(taken.result) for taken in rounds),
        "request_p50_ms": round(median(p50 for p50, _ in request), 1),
        "request_p95_ms": round(median(p95 for _, p95 in request), 1),
        "request_p95_ms_of_rounds": [round(p95, 1) for _, p95 in request],
        "result_p50_ms": round(median(p50 for p50, _ in result), 1),
        "result_p95_ms": round(median(p95 for _, p95 in result), 1),
        "looks": sum(len(taken.looks) for taken in rounds),
    }


def _percentiles(taken: list[float]) -> tuple[float, float]:
    """Half of them, and 95 in a hundred, take no longer."""
    if len(taken) < 2:
        return taken[0], taken[0]
    return median(taken), quantiles(taken, n=20, method="inclusive")[18]


if __name__ == "__main__":
    main()
