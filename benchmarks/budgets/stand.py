"""The stand on which things are counted: private servers, with relays before them for the sender and for the worker."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.budgets.wire import PostgresReader, RedisReader, Relay, Tally
from benchmarks.machine import ROOT
from benchmarks.stand import Contender, Stand

APP = "benchmarks.budgets.durable"
ANSWER_SECONDS = 60.0
# What the server does by itself would be in the count; pages written whole depend on when the last checkpoint was.
STILL = ("autovacuum = off", "full_page_writes = off", "checkpoint_timeout = '1h'")


@dataclass(frozen=True, slots=True)
class Wire:
    """The connections of one process of the project, counted."""

    database: Relay | None
    broker: Relay

    def tallies(self) -> tuple[Tally, Tally]:
        """Return what went to the database and to the broker so far."""
        return self.database.tally if self.database else Tally(), self.broker.tally


class CountingStand(Stand):
    """A stand for one kind of database."""

    def __init__(self, database: str) -> None:
        super().__init__({database})
        self.database = database
        self.contender = Contender(name="counted", app=APP, database=database)
        self.counts = self.directory / "counts"
        self._relays = ExitStack()
        self._wire: Wire | None = None
        self._more: dict[str, str] = {}

    def _start(self) -> None:
        super()._start()
        self.counts.mkdir()
        if self.database == "postgres":
            for setting in STILL:
                self.postgres.execute(f"ALTER SYSTEM SET {setting}")
            self.postgres.execute("SELECT pg_reload_conf()")
            self.postgres.execute("CHECKPOINT")

    def __exit__(self, *arguments: object) -> None:
        self._relays.close()
        super().__exit__(*arguments)

    def environment(self, contender: Contender, *, apps: str | None = None) -> dict[str, str]:
        found = super().environment(contender, apps=apps)
        if self._wire is None:
            return found
        found |= {"DJANGO_SETTINGS_MODULE": "benchmarks.budgets.settings"} | self._more
        found["BENCH_BROKER_URL"] = self._wire.broker.url
        if self._wire.database is not None:
            found["BENCH_DATABASE_URL"] = self._wire.database.url
        return found

    @contextmanager
    def counting(self, **more: str) -> Iterator[Wire]:
        """Give the processes started in the block relays of their own, and these variables."""
        database = (
            Relay(self.url(self.database), PostgresReader) if self.database == "postgres" else None
        )
        wire = Wire(database, Relay(self.broker.url, RedisReader))
        for relay in (wire.database, wire.broker):
            if relay is not None:
                self._relays.enter_context(relay)
        self._wire, self._more = wire, more
        try:
            yield wire
        finally:
            self._wire, self._more = None, {}

    def wal(self) -> int:
        """Return how many bytes of write-ahead log PostgreSQL has written; 0 on SQLite."""
        if self.database != "postgres":
            return 0
        said = self.postgres.execute("SELECT pg_current_wal_insert_lsn() - '0/0'")
        return int(said)

    def written(self) -> list[dict[str, Any]]:
        """Return what the worker's processes have written down."""
        return [json.loads(path.read_text()) for path in sorted(self.counts.glob("*.json"))]


class Sender:
    """The process that sends, and its relays."""

    def __init__(self, stand: CountingStand) -> None:
        self._stand = stand
        with stand.counting() as self.wire:
            environment = stand.environment(stand.contender)
        with (stand.directory / "sender.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.budgets.producer"],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def __enter__(self) -> Self:
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        # Reaps it, and closes what is left of its pipes.
        with self._process:
            pass

    def send(self, task: str, *, way: str, count: int, counted: bool = True) -> dict[str, Any]:
        """Send jobs; return the process's answer."""
        assert self._process.stdin is not None
        asked = {"task": task, "way": way, "count": count, "counted": counted}
        line = json.dumps(asked) + "\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            log = Path(self._stand.directory, "sender.log").read_text()
            raise RuntimeError(f"The sender did not answer:\n{log[-3000:]}")
        found: dict[str, Any] = json.loads(line)
        return found


def await_quiet(wire: Wire, *, seconds: float = 20.0) -> None:
    """Wait until a worker asks nobody anything any more, its waits at the broker apart."""
    deadline = time.monotonic() + seconds
    before = wire.tallies()
    while time.monotonic() < deadline:
        time.sleep(0.15)
        now = wire.tallies()
        if now == before:
            return
        before = now
