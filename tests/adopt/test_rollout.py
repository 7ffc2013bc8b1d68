"""The two steps and the way back, really gone: a project without Holdfast beside the same one with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
import redis

from holdfast.adoption.command import answer
from holdfast.testing.services import PostgresServer, RedisServer
from tests.adopt.test_adopt import SHOP
from tests.eventually import eventually
from tests.ledgers import sqlite_url
from tests.processes import SiteProcess
from tests.warm import run

EACH = 6
BOTH = "celery,mail"
_SELL = """
import sys, django
django.setup()
from orders.tasks import sell
for order in range(int(sys.argv[1]), int(sys.argv[2])):
    sell(order)
"""
_COUNT = """
import django
django.setup()
from holdfast.ledger.models import Job
print(Job.objects.count())
"""


class Release:
    """One version of the project, in a folder of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment | {"PYTHONPATH": str(folder)}
        self._numbers = count(1)

    def worker(self, queues: str) -> SiteProcess:
        """Start a worker; it says when it is ready."""
        number = next(self._numbers)
        name = f"{self.folder.name}{number}"
        command = ["-m", "celery", "-A", "shop", "worker", "-Q", queues, "-c", "2", "-l", "INFO"]
        return SiteProcess(
            [*command, "-n", f"{name}@%h", "--without-gossip", "--without-mingle"],
            log=self.folder / f"worker{number}.log",
            environment=self.environment,
        )

    def run(self, *command: str) -> str:
        """Run Python to its end; return what it printed."""
        done = run(command, environment=self.environment, cwd=self.folder, timeout=90)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


class Sales:
    """What was sold by any release, and what has become of it."""

    def __init__(self, effects: Path) -> None:
        self.effects = effects
        self.sold = 0

    def sell(self, *releases: Release) -> None:
        """Sell a few orders with each release, at the same time."""

        def one(release: Release, first: int) -> None:
            release.run("-c", _SELL, str(first), str(first + EACH))

        with ThreadPoolExecutor() as sellers:
            list(sellers.map(one, releases, range(self.sold, 10**6, EACH)))
        self.sold += EACH * len(releases)

    def await_all(self, *workers: SiteProcess) -> None:
        """Wait until each order is shipped once and its two mails are written."""
        wanted = Counter({f"ship {n}": 1 for n in range(self.sold)})
        wanted += Counter({f"mail {n}": 2 for n in range(self.sold)})

        def all_done() -> bool:
            missing = wanted - self.done()
            tails = "\n".join(worker.log_tail(8) for worker in workers)
            assert not missing, f"{dict(missing)}\n{tails}"
            return True

        eventually(all_done, told="all that was sold is shipped and told")
        assert self.done() == wanted, "something was done twice"

    def done(self) -> Counter[str]:
        return Counter(self.effects.read_text().splitlines())


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.soak), "postgres"])
def releases(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer
) -> tuple[Release, Release, Release]:
    """The project as it is, after patch 1, and after patch 2."""
    if request.param == "sqlite":
        database = sqlite_url(tmp_path)
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        database = server.create_database(f"adopt_{os.getpid()}")
    broker = f"{redis_server.url.rpartition('/')[0]}/14"
    redis.Redis.from_url(broker).flushdb()
    (tmp_path / "effects.txt").touch()
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "DATABASE_URL": database,
        "REDIS_URL": broker,
        "EFFECTS": str(tmp_path / "effects.txt"),
        "DJANGO_SETTINGS_MODULE": "shop.settings",
    }
    found: list[Release] = []
    for step, name in enumerate(("before", "one", "two")):
        shutil.copytree(found[-1].folder if found else SHOP, tmp_path / name)
        found.append(Release(tmp_path / name, environment))
        if step:
            patch = answer(path=str(SHOP), as_json=False, patch=step)
            subprocess.run(
                ["git", "apply", "-"], cwd=tmp_path / name, input=patch, text=True, check=True
            )
    before, one, two = found
    return before, one, two


@pytest.fixture
def running() -> Iterator[list[SiteProcess]]:
    """Workers to be ended after the test."""
    running: list[SiteProcess] = []
    yield running
    for worker in running:
        worker.kill()


def stop(*workers: SiteProcess) -> None:
    with ThreadPoolExecutor() as hands:
        list(hands.map(SiteProcess.stop, workers))


def test_site_moves_in_two_steps_with_old_and_new_beside_each_other_and_back(
    releases: tuple[Release, Release, Release], running: list[SiteProcess], tmp_path: Path
) -> None:
    before, one, two = releases
    sales = Sales(tmp_path / "effects.txt")

    def start(*wanted: tuple[Release, str]) -> list[SiteProcess]:
        started = [release.worker(queues) for release, queues in wanted]
        running.extend(started)
        for worker in started:
            worker.await_line(" ready.")
        return started

    # Step 1. What the old release sends the new one runs, and the other way round: an order is shipped by one of them,
    # and its mail written by the other.
    one.run("manage.py", "migrate", "--verbosity", "0")
    beside = start((before, "celery"), (one, "mail"))
    sales.sell(before, one)
    sales.await_all(*beside)
    stop(*beside)
    old, new = start((before, "mail"), (one, "celery"))
    sales.sell(before, one)
    sales.await_all(old, new)
    assert one.run("-c", _COUNT) == "0", "nothing is in the ledger yet"
    stop(old)

    # Step 2, beside processes of step 1.
    (durable,) = start((two, BOTH))
    sales.sell(two, one)
    sales.await_all(new, durable)
    recorded = int(two.run("-c", _COUNT))
    # Ship and the late mail; and the mail behind ship, unless a worker of step 1 has sent that on.
    assert 2 * EACH <= recorded <= 3 * EACH

    # And back: what was recorded runs to its end in the processes of step 1.
    sales.sell(two)
    stop(durable, new)
    (new,) = start((one, BOTH))
    sales.sell(one)
    one.run("manage.py", "holdfast", "drain", "--include-scheduled", "--timeout", "60")
    sales.await_all(new)
    assert int(one.run("-c", _COUNT)) >= recorded + 2 * EACH
    stop(new)
    (old,) = start((before, BOTH))
    sales.sell(before)
    sales.await_all(old)
    stop(old)
