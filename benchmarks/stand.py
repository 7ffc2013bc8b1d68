"""The test stand: private servers, one database of each kind, and the processes of one contender at a time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
import redis

from benchmarks.machine import ROOT
from benchmarks.project.tally import total
from holdfast.ledger.states import State
from holdfast.testing.child import Child
from holdfast.testing.services import PostgresServer, RedisServer

QUIET_WORKER = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'django_migrations'"
EFFECT_TABLE = "CREATE TABLE bench_effect (id {serial}, number integer NOT NULL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One system in one set-up."""

    name: str
    app: str
    database: str | None = None
    results: str = ""
    prefetch: int = 4

    @property
    def durable(self) -> bool:
        """Whether its jobs are rows of a ledger."""
        return self.app.endswith(("durable", "featured_app"))


class Stand:
    """Everything the trials run on; all of it ends with the block."""

    def __init__(self, databases: set[str]) -> None:
        # Below /tmp: PostgreSQL's unprivileged user must be able to reach it.
        self.directory = Path(tempfile.mkdtemp(prefix="holdfast-bench-"))
        self.broker = RedisServer(self.directory / "broker")
        self.counter = RedisServer(self.directory / "counter")
        self.postgres = PostgresServer(self.directory / "postgres")
        self.databases = databases
        self.tallies = self.directory / "tallies"
        self.ran: Any = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.broker, self.counter, self.postgres):
            server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self) -> None:
        self.tallies.mkdir()
        self.broker.start()
        self.counter.start()
        self.ran = redis.Redis.from_url(self.counter.url)
        self.ran.config_set("appendonly", "no")
        if "postgres" in self.databases:
            (self.directory / "postgres").mkdir()
            self.directory.chmod(0o755)
            self.postgres.start()
            self.postgres.create_database("bench")
        for database in self.databases:
            self._migrate(database)

    def _migrate(self, database: str) -> None:
        contender = Contender(
            name="migrations", app="benchmarks.project.durable", database=database
        )
        environment = self.environment(contender, apps="holdfast,django_celery_results")
        command = ["-m", "django", "migrate", "--verbosity", "0", "--skip-checks"]
        self._run(command, environment)
        if database == "sqlite":
            with closing(sqlite3.connect(self.directory / "bench.sqlite3")) as connection:
                connection.execute(EFFECT_TABLE.format(serial="integer PRIMARY KEY"))
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copy(self.directory / "bench.sqlite3", self.directory / "empty.sqlite3")
        else:
            self.postgres.execute(EFFECT_TABLE.format(serial="bigserial"), database="bench")

    def url(self, database: str) -> str:
        """Return the address of the measured database of a kind."""
        if database == "sqlite":
            return f"sqlite://{self.directory / 'bench.sqlite3'}"
        return self.postgres.url("bench")

    def environment(self, contender: Contender, *, apps: str | None = None) -> dict[str, str]:
        """Return the environment of a contender's processes: nothing of ours leaks into it."""
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        found = kept | {
            # The tree this file is in, wherever the installed package points to.
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
            "BENCH_BROKER_URL": self.broker.url,
            "CELERY_CUSTOM_WORKER_POOL": "holdfast.worker.aio:TaskPool",
            "BENCH_COUNTER_URL": self.counter.url,
            "BENCH_TALLIES": str(self.tallies),
            "BENCH_PREFETCH": str(contender.prefetch),
            "BENCH_RESULTS": contender.results.replace("redis", self.broker.url),
        }
        if contender.database is not None:
            own = "holdfast" if contender.durable else "django_celery_results"
            found |= {
                "DJANGO_SETTINGS_MODULE": "benchmarks.project.settings",
                "BENCH_DATABASE_URL": self.url(contender.database),
                "BENCH_APPS": apps if apps is not None else own,
            }
        return found

    def clear(self, contender: Contender) -> None:
        """Make everything as empty as it was at the start."""
        redis.Redis.from_url(self.broker.url).flushall()
        self.ran.flushall()
        for path in self.tallies.iterdir():
            path.unlink()
        if contender.database == "sqlite":
            for suffix in ("-wal", "-shm"):
                (self.directory / f"bench.sqlite3{suffix}").unlink(missing_ok=True)
            shutil.copy(self.directory / "empty.sqlite3", self.directory / "bench.sqlite3")
        elif contender.database == "postgres":
            with self.connected() as connection:
                names = ", ".join(row[0] for row in connection.execute(TABLES))
                connection.execute(f"TRUNCATE {names}")
                # The last trial's dirty pages are not this one's to write.
                connection.execute("CHECKPOINT")

    def send(
        self, contender: Contender, *, task: str, way: str, count: int, warm: bool = False
    ) -> float:
        """Send jobs from a fresh process; return the jobs sent a second."""
        arguments = ["-m", "benchmarks.sender", contender.app, task, way, str(count)]
        said = self._run(arguments + ["--warm"] * warm, self.environment(contender))
        return count / float(json.loads(said)["seconds"])

    @contextmanager
    def worker(self, contender: Contender, *, pool: str, slots: int) -> Iterator[Child]:
        """Run a worker around the block."""
        with self.workers(contender, pool=pool, slots=slots, count=1) as (child,):
            yield child

    @contextmanager
    def workers(
        self, contender: Contender, *, pool: str, slots: int, count: int
    ) -> Iterator[list[Child]]:
        """Run so many workers around the block, each with its slots."""
        crew: list[Child] = []
        try:
            for number in range(count):
                name = f"worker{number}"
                command = [sys.executable, "-m", "celery", "-A", contender.app, "worker"]
                command += ["-n", f"{name}@%h", "-P", pool, "-c", str(slots), *QUIET_WORKER]
                log = self.directory / f"{name}.log"
                log.unlink(missing_ok=True)
                crew.append(Child(command, log=log, environment=self.environment(contender)))
            yield crew
            for child in crew:
                if not child.running:
                    raise RuntimeError(f"The worker ended by itself:\n{child.log_tail()}")
        except TimeoutError as error:
            words = "\n".join(child.log_tail() for child in crew[:3])
            raise TimeoutError(f"{error}\nThe workers' last words:\n{words}") from error
        finally:
            for child in crew:
                child.send(signal.SIGTERM)
            for child in crew:
                if not child.wait(timeout=20):
                    child.end_family()

    def await_ran(self, count: int, *, seconds: float) -> int:
        """Wait until so many jobs have run; return how many really have."""
        deadline = time.monotonic() + seconds
        while (ran := total(self.tallies)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {ran} of {count} jobs ran within {seconds:.0f} s")
            time.sleep(0.01)
        return ran

    def await_all_final(self, contender: Contender, count: int, *, seconds: float) -> None:
        """Wait until the ledger shows the jobs as succeeded, each exactly once and in one attempt."""
        deadline = time.monotonic() + seconds
        with self.connected(contender) as connection:
            while (done := self._succeeded(connection)) != (count, count):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the ledger shows {done} (jobs succeeded, attempts)")
                time.sleep(0.005)

    def _succeeded(self, connection: Any) -> tuple[int, int]:
        query = (
            "SELECT count(*), coalesce(sum(attempts), 0) FROM holdfast_job "
            f"WHERE state = {int(State.SUCCEEDED)}"
        )
        row = connection.execute(query).fetchone()
        connection.rollback()
        return int(row[0]), int(row[1])

    @contextmanager
    def connected(self, contender: Contender | None = None) -> Iterator[Any]:
        if contender is not None and contender.database == "sqlite":
            path = urlsplit(self.url("sqlite")).path
            with closing(sqlite3.connect(path, timeout=20)) as connection:
                yield connection
            return
        with psycopg.connect(self.postgres.url("bench"), autocommit=True) as server:
            yield server

    def _run(self, arguments: list[str], environment: dict[str, str]) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
