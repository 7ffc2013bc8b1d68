"""The servers all systems are measured on, and the processes of one of them at a time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

import psutil
import redis

from benchmarks.machine import ROOT
from benchmarks.peers.catalogue import System
from holdfast.testing.child import Child
from holdfast.testing.services import PostgresServer, RedisServer

STOP_SECONDS = 10.0
SEND_SECONDS = 90.0
DATABASE = "peer"


class Ground:
    """A Redis and a PostgreSQL as the tests use them, and a Redis of the driver's own that counts."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="holdfast-peers-"))
        self.broker = RedisServer(self.directory / "broker")
        self.counter = RedisServer(self.directory / "counter")
        self.postgres = PostgresServer(self.directory / "postgres")
        self.ran: Any = None
        self._templates: dict[str, str] = {}
        self._numbers = count()

    def __enter__(self) -> Self:
        try:
            self.broker.start()
            self.counter.start()
            (self.directory / "postgres").mkdir()
            self.directory.chmod(0o755)
            self.postgres.start()
        except BaseException:
            self.__exit__()
            raise
        self.ran = redis.Redis.from_url(self.counter.url)
        self.ran.config_set("appendonly", "no")
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.broker, self.counter, self.postgres):
            server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def clear(self, system: System) -> None:
        """Give the system an empty broker and an empty database, its tables made."""
        self.flush()
        self.ran.flushall()
        key = " ".join(map(str, system.prepare)) + system.apps
        if key not in self._templates:
            name = f"made{next(self._numbers)}"
            self.postgres.create_database(name)
            environment = self._environment(system, database=name) | {"PEER_WORKER": "1"}
            for command in system.prepare:
                self._run(command, environment)
            self._templates[key] = name
        self.postgres.drop_database(DATABASE)
        self.postgres.execute(f'CREATE DATABASE "{DATABASE}" TEMPLATE "{self._templates[key]}"')
        self.postgres.execute("CHECKPOINT")

    def flush(self) -> None:
        """Wipe the broker."""
        redis.Redis.from_url(self.broker.url).flushall()

    def send(self, system: System, body: str, *, way: str, count: int, warm: bool = False) -> float:
        """Send from a fresh process; return the jobs sent a second."""
        command = [sys.executable, "-m", "benchmarks.peers.client", system.path, body, way]
        command += [str(count), *["--warm"] * warm]
        said = self._run(command, self._environment(system))
        return count / float(json.loads(said)["seconds"])

    @contextmanager
    def workers(self, system: System) -> Iterator[list[Child]]:
        """Run the system's workers around the block."""
        children = self.start(system)
        try:
            yield children
        finally:
            family = _family(children)
            for child in children:
                child.send(signal.SIGTERM)
            for child in children:
                child.wait(timeout=STOP_SECONDS)
            _kill(family)

    def start(self, system: System) -> list[Child]:
        """Start the system's workers."""
        environment = self._environment(system) | {"PEER_WORKER": "1"}
        if system.module == "rq_":
            environment["RQ_REDIS_URL"] = self.broker.url
        return [
            Child(command, log=self.directory / "worker.log", environment=environment)
            for command in system.workers
        ]

    def kill(self, children: Sequence[Child]) -> None:
        """Kill -9 workers with all processes that they have started, as a lost host does."""
        _kill(_family(children))

    def await_ran(self, count: int, *, seconds: float) -> int:
        """Wait until so many jobs have run; return how many really have."""
        deadline = time.monotonic() + seconds
        while (ran := int(self.ran.get("ran") or 0)) < count:
            if time.monotonic() > deadline:
                log = (self.directory / "worker.log").read_text(errors="replace")
                raise TimeoutError(f"{ran} of {count} jobs in {seconds:.0f} s\n{log[-3000:]}")
            time.sleep(0.01)
        return ran

    def _environment(self, system: System, *, database: str = DATABASE) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        return kept | {
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
            "PEER_BROKER_URL": self.broker.url,
            "PEER_COUNTER_URL": self.counter.url,
            "PEER_DATABASE_URL": self.postgres.url(database),
            **system.variables,
        }

    def _run(self, command: Sequence[str], environment: dict[str, str]) -> str:
        done = subprocess.run(
            command,
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=SEND_SECONDS,
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}"
            )
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def _family(children: Sequence[Child]) -> list[psutil.Process]:
    found = []
    for child in children:
        try:
            parent = psutil.Process(child.pid)
            found += [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return found


def _kill(family: Sequence[psutil.Process]) -> None:
    # Stopped first: none of them may start another one meanwhile, or see that one has gone.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
    psutil.wait_procs(list(family), timeout=STOP_SECONDS)
