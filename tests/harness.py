"""Sites for tests: one database, one Redis, a record of effects, and real workers as real processes.

The test process takes part in its site: it sends through `site.app` and reads the same ledger.
"""

from __future__ import annotations

import os
import signal as signals
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self
from unittest import mock
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from celery import _state as celery_state
from celery.result import AsyncResult
from django.db import connections
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from holdfast import Celery
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.states import OPEN, State
from holdfast.testing.services import PostgresServer, RedisServer, die_with
from tests import settings as product
from tests.eventually import eventually
from tests.ledgers import sqlite_url
from tests.project import tasks as project_tasks

ROOT = Path(__file__).resolve().parents[1]
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
    ) -> None:
        self.directory = directory
        self.database_url = database_url
        self.broker_url = broker_url
        self.alias = f"site{next(_numbers)}"
        self.effects_file = directory / "effects.txt"
        self.holdfast = dict(holdfast)
        self.environment = _inherited() | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": str(ROOT),
            "TEST_DATABASE_URL": database_url,
            "TEST_OTHER_DATABASE": str(directory / "other.sqlite3"),
            "TEST_BROKER_URL": broker_url,
            "EFFECTS": str(self.effects_file),
            **{f"HOLDFAST_{key.upper()}": str(value) for key, value in self.holdfast.items()},
            **(environment or {}),
        }
        self.workers: list[WorkerProcess] = []
        self._stack = ExitStack()
        self.app: Celery

    def __enter__(self) -> Self:
        self.effects_file.touch()
        self.django("migrate", "--verbosity", "0")
        with ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, {"EFFECTS": str(self.effects_file)}))
            for name in _OVERRULING:
                os.environ.pop(name, None)
            stack.enter_context(_database(self.alias, self.database_url))
            settings = {"database": self.alias, **self.holdfast}
            stack.enter_context(override_settings(HOLDFAST=settings, SECRET_KEY=product.SECRET_KEY))
            self.app = stack.enter_context(_current_app(self.broker_url))
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
            self,
            [*command, *options, *FLAGS, *flags],
            log=self.directory / f"{name}.log",
            environment=environment,
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
        return SiteProcess(self, command, log=self.directory / f"{name}.log")

    def process(
        self, code: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> SiteProcess:
        """Start a process of the project that runs `code`, with Django set up and the tasks at hand."""
        log = self.directory / f"process{next(_numbers)}.log"
        return SiteProcess(
            self, ["-c", _PRELUDE + code, *arguments], log=log, environment=environment
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

    def wait_all_final(self, timeout: float = 30) -> dict[str, str]:
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

    def redis(self) -> redis.Redis:
        """Return a client of the broker, to look and to break."""
        return redis.Redis.from_url(self.broker_url, socket_timeout=5)

    def empty(self) -> None:
        """Forget every job, effect and message; the workers stay."""
        with connections[self.alias].cursor() as cursor:
            for table in _JOB_TABLES:
                cursor.execute(f"DELETE FROM {table}")
        self.effects_file.write_text("")

    def log_tails(self, lines: int = 12) -> str:
        """Return the ends of the workers' logs, for a message."""
        return "\n".join(worker.log_tail(lines) for worker in self.workers)

    def _run(self, arguments: Sequence[str], environment: Mapping[str, str] | None) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment | dict(environment or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


class SiteProcess:
    """A process of a site, in a group of its own, its log in a file; killed when the test process dies."""

    def __init__(
        self,
        site: Site,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.site = site
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=site.environment | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # The system ends a child with the thread that started it: bind only to one that stays.
                preexec_fn=die_with(os.getpid())  # noqa: PLW1509
                if threading.current_thread() is threading.main_thread()
                else None,
            )
        self.pid = self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def pids(self) -> list[int]:
        """Return the children: of a prefork worker, its pool."""
        try:
            return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def signal(self, number: signals.Signals) -> None:
        """Signal the main process alone."""
        os.kill(self.pid, number)

    def signal_group(self, number: signals.Signals) -> None:
        """Signal the main process and its children."""
        os.killpg(self.pid, number)

    def wait(self, timeout: float = 30) -> int:
        """Wait for the end; return the exit code."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s:\n{self.log_tail()}") from None

    def stop(self, timeout: float = 30) -> None:
        """SIGTERM as an operator does; the process must end in order, and leave no child."""
        children = self.pids()
        self.signal(signals.SIGTERM)
        code = self.wait(timeout)
        assert code == 0, f"exit code {code}:\n{self.log_tail(40)}"
        left = [pid for pid in children if psutil.pid_exists(pid)]
        eventually(
            lambda: not any(psutil.pid_exists(pid) for pid in left),
            told=f"children {left} are gone",
        )

    def kill(self) -> None:
        """Kill -9 the whole group at once, as a lost host does."""
        if self.popen.poll() is None:
            os.killpg(self.pid, signals.SIGKILL)
            self.popen.wait(10)

    def log_text(self) -> str:
        """Return all the process wrote."""
        return self.log.read_text(errors="replace")

    def log_tail(self, lines: int = 25) -> str:
        """Return the end of what it wrote."""
        return f"--- {self.log}\n" + "\n".join(self.log_text().splitlines()[-lines:])


class WorkerProcess(SiteProcess):
    """A real `celery worker`."""

    def wait_ready(self, timeout: float = 40) -> None:
        """Wait for two facts: it has a lease, and it consumes."""

        def ready() -> bool:
            assert self.running, f"the worker ended while starting:\n{self.log_tail(40)}"
            return " ready." in self.log_text() and self.lease() is not None

        eventually(ready, within=timeout, every=0.05, told=f"worker {self.pid} is ready")

    def lease(self) -> Worker | None:
        """Return the row of its current incarnation."""
        rows = Worker.objects.using(self.site.alias).filter(pid=self.pid, lost_at=None)
        return rows.order_by("-started_at").first()


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
) -> Iterator[Site]:
    """Enter a site on a fresh database of a kind ("sqlite" or "postgres") and an empty Redis database.

    Fixtures and tests of any scope call it with their own `request`.
    """
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    directory = directory or factory.mktemp("site")
    blocker: DjangoDbBlocker = request.getfixturevalue("django_db_blocker")
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
    )
    with blocker.unblock(), site:
        yield site


_PRELUDE = """
import django, os, sys, time
django.setup()
from tests.project import celery_app as app, tasks
"""
# Variables of a developer's shell that would send a test's jobs somewhere else.
_OVERRULING = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_RESULT_BACKEND",
    "REDIS_URL",
    "DATABASE_URL",
)
_JOB_TABLES = (
    "holdfast_job",
    "holdfast_payload",
    "holdfast_result",
    "holdfast_attempt",
    "holdfast_chord",
    "holdfast_chord_part",
    "holdfast_group",
)


def _inherited() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in _OVERRULING}


@contextmanager
def _database(alias: str, url: str) -> Iterator[None]:
    parts: dict[str, Any] = dict(connections.settings["default"]) | product._database(url)
    if urlsplit(url).scheme != "sqlite":
        parts["CONN_MAX_AGE"] = None
    connections.settings[alias] = parts
    try:
        yield
    finally:
        connections[alias].close()
        del connections[alias]


@contextmanager
def _current_app(broker_url: str) -> Iterator[Celery]:
    """Make an app of our own the one that tasks and results of this process belong to."""
    state: Any = celery_state
    before = (state.default_app, state._tls.current_app)
    app = Celery("tests.project", broker=broker_url, set_as_current=False)
    app.finalize()
    app.set_default()
    app.set_current()
    try:
        yield app
    finally:
        app.outbox.publisher.close()
        # Its pool is left alone: kombu shares one among all apps with the same address.
        app.close()
        state.default_app, state._tls.current_app = before
