"""Sites for tests: one database, one Redis, a record of effects, and real workers as real processes.

The test process takes part in its site: it sends through `site.app` and reads the same ledger.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self
from unittest import mock

import pytest
import redis
from celery.result import AsyncResult
from django.db.models import Q
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from holdfast import Celery
from holdfast.ledger.models import Job
from holdfast.ledger.states import OPEN, State
from holdfast.testing.services import PostgresServer, RedisServer
from tests import migrated
from tests import settings as product
from tests.eventually import PATIENCE, eventually
from tests.ledgers import JOB_TABLES, empty, sqlite_url
from tests.processes import ROOT, SiteProcess, WorkerProcess
from tests.project import tasks as project_tasks
from tests.surroundings import OVERRULING, current_app, database, inherited
from tests.warm import run

# Bounds of the promises scale with these: a lost attempt is back within the lease and one sweep.
SHORT = {"lease_seconds": 3.0, "sweep_seconds": 0.5, "grace_seconds": 1.5, "relay_seconds": 0.2}
FLAGS = ("--without-gossip", "--without-mingle")
_numbers = count(1)


class Site:
    """One project: a migrated database, a broker, and whatever processes the test starts on them.

    Only one site is entered at a time: entering makes its ledger and its app this process's own.
    """

    def __init__(
        self,
        directory: Path,
        *,
        database_url: str,
        broker_url: str,
        holdfast: Mapping[str, float] = SHORT,
        environment: Mapping[str, str] | None = None,
        celery: Mapping[str, Any] | None = None,
        fresh: bool = False,
        warm: bool = True,
    ) -> None:
        """Take the addresses and settings of Celery's.

        Args:
            fresh: the database was made for this site alone.
            warm: processes are forks that have imported Django and Celery already, see `tests.warm`.
        """
        self.celery = dict(celery or {})
        self.directory = directory
        self.fresh = fresh
        self.warm = warm
        self.database_url = database_url
        self.broker_url = broker_url
        self.alias = f"site{next(_numbers)}"
        self.effects_file = directory / "effects.txt"
        self.holdfast = dict(holdfast)
        self.environment = inherited() | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": str(ROOT),
            "TEST_DATABASE_URL": database_url,
            "TEST_OTHER_DATABASE": str(directory / "other.sqlite3"),
            "TEST_BROKER_URL": broker_url,
            "TEST_CELERY": json.dumps(self.celery),
            "EFFECTS": str(self.effects_file),
            **{f"HOLDFAST_{key.upper()}": str(value) for key, value in self.holdfast.items()},
            **(environment or {}),
        }
        self.workers: list[WorkerProcess] = []
        self._stack = ExitStack()
        self.app: Celery

    def __enter__(self) -> Self:
        self.effects_file.touch()
        self._migrate()
        with ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, {"EFFECTS": str(self.effects_file)}))
            for name in OVERRULING:
                os.environ.pop(name, None)
            stack.enter_context(database(self.alias, self.database_url))
            settings = {"database": self.alias, **self.holdfast}
            stack.enter_context(override_settings(HOLDFAST=settings, SECRET_KEY=product.SECRET_KEY))
            self.app = stack.enter_context(current_app(self.broker_url, **self.celery))
            stack.callback(self.kill_workers)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- processes --------------------------------------------------------------------------------

    def worker(
        self,
        *flags: str,
        pool: str = "prefork",
        concurrency: int = 2,
        queues: str = "celery",
        loglevel: str = "INFO",
        environment: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> WorkerProcess:
        """Start a worker in a process group of its own; return once it takes jobs."""
        name = f"w{next(_numbers)}"
        command = ["-m", "celery", "-A", "tests.project", "worker", "-n", f"{name}@%h"]
        options = ["-P", pool, "-c", str(concurrency), "-Q", queues, "-l", loglevel]
        worker = WorkerProcess(
            self.alias,
            [*command, *options, *FLAGS, *flags],
            log=self.directory / f"{name}.log",
            environment=self._environment(environment),
            warm=self.warm,
        )
        self.workers.append(worker)
        if wait:
            worker.wait_ready()
        return worker

    def beat(self, *flags: str) -> SiteProcess:
        """Start `celery beat` with a schedule file of its own."""
        name = f"beat{next(_numbers)}"
        schedule = str(self.directory / f"{name}.schedule")
        command = [
            "-m",
            "celery",
            "-A",
            "tests.project",
            "beat",
            "-s",
            schedule,
            "--pidfile=",
            *flags,
        ]
        return SiteProcess(
            command,
            log=self.directory / f"{name}.log",
            environment=self.environment,
            warm=self.warm,
        )

    def process(
        self, code: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> SiteProcess:
        """Start a process of the project that runs `code`, with Django set up and the tasks at hand."""
        log = self.directory / f"process{next(_numbers)}.log"
        return SiteProcess(
            ["-c", _PRELUDE + code, *arguments],
            log=log,
            environment=self._environment(environment),
            warm=self.warm,
        )

    def python(
        self, code: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> str:
        """Run `code` in a process of the project to its end; return what it printed."""
        return self._run(["-c", _PRELUDE + code, *arguments], environment)

    def django(self, *arguments: str) -> str:
        """Run a management command of the project."""
        return self._run(["-m", "django", *arguments], None)

    def kill_workers(self) -> None:
        """End every worker that a test left."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()

    # -- what is true -----------------------------------------------------------------------------

    def task(self, name: str) -> Any:
        """Return a task of the project by its short name, bound to this site's app."""
        return self.app.tasks[f"{project_tasks.__name__}.{name}"]

    def result(self, job: str) -> AsyncResult[Any]:
        """Return the result handle of a job."""
        return AsyncResult(job, app=self.app)

    def jobs(self, **filters: Any) -> dict[str, Job]:
        """Return rows of the ledger by id."""
        return {job.id: job for job in Job.objects.using(self.alias).filter(**filters)}

    def states(self, **filters: Any) -> dict[str, str]:
        """Return the name of the state of every job."""
        rows = Job.objects.using(self.alias).filter(**filters).values_list("id", "state")
        return {id: State(state).name.lower() for id, state in rows}

    def counts(self, **filters: Any) -> dict[str, int]:
        """Count jobs by the name of their state."""
        return dict(Counter(self.states(**filters).values()))

    def open_jobs(self) -> dict[str, str]:
        """Return the jobs that are not final, with task and state."""
        rows = Job.objects.using(self.alias).filter(state__in=OPEN)
        return {
            id: f"{task} {State(state).name.lower()} {hold}".strip()
            for id, task, state, hold in rows.values_list("id", "task", "state", "hold")
        }

    def moving_jobs(self) -> list[str]:
        """Return, as of one instant, the jobs that are not final, and those whose waiting others are not yet told."""
        moving = Q(state__in=OPEN) | Q(unsettled=True)
        return list(Job.objects.using(self.alias).filter(moving).values_list("id", flat=True))

    def wait_all_final(self, timeout: float = PATIENCE) -> dict[str, str]:
        """Wait until no job is left open; return the states."""

        def all_final() -> bool:
            left = self.open_jobs()
            shown = dict(list(left.items())[:10])
            assert not left, f"{len(left)} jobs are not final: {shown}\n{self.log_tails()}"
            return True

        eventually(all_final, within=timeout, every=0.05, told="all jobs are final")
        return self.states()

    def effects(self) -> list[str]:
        """Return the record of effects, one line each, in their order."""
        return self.effects_file.read_text().splitlines()

    def effect_counts(self) -> Counter[str]:
        """Count equal effects."""
        return Counter(self.effects())

    def await_publisher(self) -> None:
        """Wait until this process's publisher has found a broker that takes messages."""
        publisher = self.app.outbox.publisher
        eventually(lambda: publisher.available, told="the broker takes messages")

    def await_effect(self, line: str, *, timeout: float = PATIENCE) -> None:
        """Wait until a line is in the record of effects."""
        eventually(lambda: line in self.effects(), within=timeout, told=f"there is {line!r}")

    def redis(self) -> redis.Redis:
        """Return a client of the broker, to look and to break."""
        return redis.Redis.from_url(self.broker_url, socket_timeout=5)

    def empty(self) -> None:
        """Forget every job, effect and message; the workers stay."""
        empty(self.alias, JOB_TABLES)
        self.effects_file.write_text("")

    def log_tails(self, lines: int = 12) -> str:
        """Return the ends of the workers' logs, for a message."""
        return "\n".join(worker.log_tail(lines) for worker in self.workers)

    def _migrate(self) -> None:
        def by() -> None:
            self.django("migrate", "--verbosity", "0")

        if not self.fresh:
            by()
            return
        apps = [
            self.environment.get(name) for name in ("DJANGO_SETTINGS_MODULE", "TEST_EXTRA_APPS")
        ]
        migrated.migrate(self.database_url, like=tuple(apps), by=by)

    def _environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return self.environment | dict(more or {})

    def _run(self, arguments: Sequence[str], environment: Mapping[str, str] | None) -> str:
        done = run(arguments, environment=self._environment(environment), cwd=ROOT, timeout=120)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@contextmanager
def new_site(
    kind: str,
    request: pytest.FixtureRequest,
    *,
    directory: Path | None = None,
    database_url: str | None = None,
    broker_url: str | None = None,
    holdfast: Mapping[str, float] = SHORT,
    environment: Mapping[str, str] | None = None,
    celery: Mapping[str, Any] | None = None,
) -> Iterator[Site]:
    """Enter a site on a fresh database of a kind ("sqlite" or "postgres") and an empty Redis database.

    Fixtures and tests of any scope call it with their own `request`.
    """
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    directory = directory or factory.mktemp("site")
    blocker: DjangoDbBlocker = request.getfixturevalue("django_db_blocker")
    fresh = database_url is None
    if database_url is None:
        if kind == "sqlite":
            database_url = sqlite_url(directory)
        else:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            database_url = server.create_database(f"site_{next(_numbers)}_{os.getpid()}")
    if broker_url is None:
        redis_server: RedisServer = request.getfixturevalue("redis_server")
        broker_url = f"{redis_server.url.rpartition('/')[0]}/{next(_numbers) % 15 + 1}"
        redis.Redis.from_url(broker_url).flushdb()
    site = Site(
        directory,
        database_url=database_url,
        broker_url=broker_url,
        holdfast=holdfast,
        environment=environment,
        celery=celery,
        fresh=fresh,
    )
    with blocker.unblock(), site:
        yield site


_PRELUDE = """
import django, os, sys, time
django.setup()
from tests.project import celery_app as app, tasks
"""
