"""The ground of a scenario: one site whose Redis, database and network can be broken, and what was broken when."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import psutil
from django.db import connections
from django.db.models.functions import Now

from holdfast.ledger.models import Worker
from holdfast.testing.services import PostgresServer, RedisServer, TcpProxy
from tests.chaos import judge, tasks
from tests.chaos.judge import Judgement
from tests.eventually import PATIENCE, eventually
from tests.harness import SHORT, Site
from tests.ledgers import sqlite_url
from tests.nursery import steadily
from tests.processes import SiteProcess, WorkerProcess

CRASH = "crash database"
# A few connections are let in again meanwhile: whoever gets one may find those dead who get none.
SHUTS_OUT = "exhaust connections"
# Whom the processes of a ground are in PostgreSQL; the test itself is the superuser, whom no limit holds.
USER = "chaos"
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Harm:
    """A fault that was done: to a process by its pid, or to a service by its name."""

    fault: str
    target: int | str
    since: float
    until: float


class Recipe(NamedTuple):
    """How a worker was started."""

    flags: tuple[str, ...]
    options: dict[str, Any]


@dataclass
class Ground:
    """Workers and producers reach the services over proxies; the test itself reaches them directly."""

    site: Site
    redis: RedisServer
    broker: TcpProxy
    postgres: PostgresServer | None
    database: TcpProxy | None
    harms: list[Harm] = field(default_factory=list)
    recipes: dict[int, Recipe] = field(default_factory=dict)
    started: set[int] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        """Return the addresses that can be cut off."""
        addresses = {"TEST_BROKER_URL": self.broker.url(self.site.broker_url)}
        if self.database is not None and self.postgres is not None:
            url = self.postgres.url(self.database_name, user=USER)
            addresses["TEST_DATABASE_URL"] = self.database.url(url)
        return addresses

    @property
    def database_name(self) -> str:
        """Return the name of the PostgreSQL database."""
        return self.database_path.lstrip("/")

    @property
    def database_path(self) -> str:
        """Return the path of the SQLite database."""
        return urlsplit(self.site.database_url).path

    @property
    def bound(self) -> float:
        """Return the seconds within which P5 wants a lost attempt back."""
        return self.site.holdfast["lease_seconds"] + self.site.holdfast["sweep_seconds"]

    @property
    def lease(self) -> float:
        return self.site.holdfast["lease_seconds"]

    def worker(self, *flags: str, **options: Any) -> WorkerProcess:
        """Start a worker that knows the chaos tasks."""
        recipe = Recipe(flags, options)
        environment: Mapping[str, str] = options.get("environment", {})
        worker = self.site.worker(
            f"--include={tasks.__name__}",
            *flags,
            **{**options, "environment": {**self.environment, **environment}},
        )
        self.recipes[worker.pid] = recipe
        self.started.add(worker.pid)
        return worker

    def another(self, worker: WorkerProcess, **environment: str) -> WorkerProcess:
        """Start a worker like one that was started here, with more in its environment; it may not be ready yet."""
        flags, options = self.recipes[worker.pid]
        more = {**options.get("environment", {}), **environment}
        return self.worker(*flags, **{**options, "environment": more, "wait": False})

    def pool_of(self, worker: WorkerProcess) -> str:
        """Return the kind of pool with which a worker was started here."""
        return str(self.recipes[worker.pid].options.get("pool", "prefork"))

    def known(self, workers: list[WorkerProcess]) -> list[WorkerProcess]:
        """Return those of some workers that were started here, and can be started again."""
        return [worker for worker in workers if worker.pid in self.started]

    def scheduler(self, environment: Mapping[str, str] | None = None) -> SiteProcess:
        """Start a `celery beat` on Holdfast's schedules; its settings are those of `tests.chaos.scheduled`."""
        flags = ["-S", "holdfast.beat:Scheduler", "--pidfile=", "-l", "INFO"]
        return SiteProcess(
            ["-m", "celery", "-A", "tests.project", "beat", *flags],
            log=self.site.directory / f"scheduler{next(_numbers)}.log",
            environment={
                **self.site.environment,
                **self.environment,
                "DJANGO_SETTINGS_MODULE": "tests.chaos.scheduled",
                **(environment or {}),
            },
            warm=self.site.warm,
        )

    def producer_like(
        self, like: SiteProcess, seed: int, environment: Mapping[str, str]
    ) -> SiteProcess:
        """Start a producer of a soak like one that runs, with another seed and more in its environment."""
        beside = psutil.Process(like.pid)
        _, minus_m, module, _, *more = beside.cmdline()
        return SiteProcess(
            [minus_m, module, str(seed), *more],
            log=self.site.directory / f"producer{next(_numbers)}.log",
            environment={**beside.environ(), **environment},
        )

    def producer(self, code: str, *arguments: str) -> SiteProcess:
        """Start a process that sends; `tasks` in its code are the chaos tasks."""
        prelude = f"from tests.chaos import tasks\nimport json\n{_JOURNAL}\n"
        environment = {**self.environment, "JOURNAL": str(self.journal)}
        return self.site.process(prelude + code, *arguments, environment=environment)

    @property
    def journal(self) -> Path:
        """Return the file in which producers note what they have committed."""
        return self.site.directory / "journal.txt"

    def committed(self) -> list[str]:
        """Return the ids of the jobs whose transactions committed, by the word of those who sent them."""
        if not self.journal.exists():
            return []
        noted = (line.split() for line in self.journal.read_text().splitlines())
        return [job for what, job in noted if what == "committed"]

    @contextmanager
    def harming(self, fault: str, target: int | str) -> Iterator[None]:
        """Note when something was broken."""
        since = time.time()
        try:
            yield
        finally:
            self.harms.append(Harm(fault, target, since, time.time()))

    def kill(self, worker: WorkerProcess) -> float:
        """Kill -9 a worker with its children; return when."""
        with self.harming("kill worker", worker.pid):
            worker.kill()
        return self.harms[-1].since

    def crash_database(self) -> None:
        """Stop PostgreSQL as a crash does, and start it again."""
        server = self.postgres
        assert server is not None
        with self.harming(CRASH, "database"):
            steadily(lambda: server.restart(immediate=True))
        self.forget_connection()

    def kill_child(self, worker: WorkerProcess, child: int) -> float:
        """Kill -9 one process of a pool; return when."""
        with self.harming("kill child", worker.pid):
            os.kill(child, signal.SIGKILL)
        return self.harms[-1].since

    def task(self, task: Any) -> Any:
        """Return a chaos task bound to this site's app."""
        return self.site.app.tasks[task.name]

    def forget_connection(self) -> None:
        """Drop the test's own connection to the database."""
        connections[self.site.alias].close()

    def write(self, statement: str, values: list[Any]) -> None:
        """Change the database behind everybody's back."""
        with connections[self.site.alias].cursor() as cursor:
            cursor.execute(statement, values)

    def lapsed(self, worker: UUID) -> bool:
        """Tell whether a worker's lease has run out by the database's clock."""
        mine = Worker.objects.using(self.site.alias).filter(id=worker)
        return mine.filter(lease_until__lt=Now()).exists()

    def judge(self, sent: list[str]) -> Judgement:
        """Wait until everything is final, and compare the records."""
        crashes = [(harm.since, harm.until) for harm in self.harms if harm.fault == CRASH]
        return judge.judge(self.site, sent, crashes=crashes)

    def settle(self, timeout: float = PATIENCE) -> None:
        """Wait until all jobs are final; the test's own connection may be one of those that were cut."""
        self.forget_connection()
        self.site.wait_all_final(timeout)

    def running_pids(self) -> dict[str, int]:
        """Return the process of every body that has begun and not ended, by job, if it still lives."""
        return {
            job: of_job[-1].pid
            for job, of_job in judge.runs(self.site).items()
            if of_job[-1].ended is None and psutil.pid_exists(of_job[-1].pid)
        }

    def await_running(self, jobs: int, within: float = PATIENCE) -> dict[str, int]:
        """Wait until so many bodies run; return their processes."""

        def running() -> dict[str, int] | None:
            now = self.running_pids()
            return now if len(now) >= jobs else None

        return eventually(running, within=within, told=f"{jobs} bodies run") or {}


def has_started(scheduler: SiteProcess) -> bool:
    """Tell whether a scheduler is at work, by its log."""
    return scheduler.has_said("beat: Starting")


def lasting(seconds: float) -> None:
    """Let a fault last: the one wait of the scenarios that is not for a fact."""
    time.sleep(seconds)


def every(seconds: float, *, during: float) -> Iterator[float]:
    """Yield the time that has passed, once in so many seconds, for a fault that is done again and again."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < during:
        yield passed
        lasting(seconds)


# One line an event, written at once: the producer may be killed after any of them.
_JOURNAL = """
def committed(*results):
    fd = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, "".join(f"committed {result.id}\\n" for result in results).encode())
    os.close(fd)
"""


@contextmanager
def ground(
    directory: Path,
    *,
    postgres: PostgresServer | None,
    holdfast: Mapping[str, float] | None = None,
    environment: Mapping[str, str] | None = None,
    warm: bool = True,
) -> Iterator[Ground]:
    """Enter a site with a Redis of its own, on a fresh database of `postgres`, or on SQLite if that is None.

    Unless it is `warm`, its processes are started as its users start them, imports and all; see `tests.warm`.
    """
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(directory / "redis"))
        broker = stack.enter_context(TcpProxy(redis.port))
        database = None
        url = sqlite_url(directory)
        if postgres is not None:
            url = postgres.create_database(f"chaos_{next(_numbers)}_{os.getpid()}")
            port = urlsplit(url).port
            assert port is not None
            database = stack.enter_context(TcpProxy(port))
            if not postgres.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{USER}'"):
                postgres.create_user(USER)
        site = stack.enter_context(
            Site(
                directory,
                database_url=url,
                broker_url=redis.url,
                holdfast={**SHORT, **(holdfast or {})},
                environment=environment,
                fresh=True,
                warm=warm,
            )
        )
        yield Ground(site, redis, broker, postgres, database)
