"""Who holds work at this moment: by the ledger, by the record of effects, by Redis and by PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
import redis
from django.db import Error, connections

from holdfast.ledger.models import Job, Worker
from holdfast.ledger.states import State
from tests.eventually import eventually
from tests.harness import Site
from tests.processes import SiteProcess, WorkerProcess

T = TypeVar("T")


class Tail:
    """Reads what was appended to a file since the last look; whole lines only."""

    def __init__(self, path: Path, *, from_now: bool = False) -> None:
        self.path = path
        self._at = path.stat().st_size if from_now and path.exists() else 0

    def lines(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._at)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        return whole.decode().splitlines()


class Work:
    """Answers who holds work; where several threads ask, each has one of its own."""

    def __init__(self, site: Site, journal: Path) -> None:
        self._site = site
        self._effects, self._journal = Tail(site.effects_file), Tail(journal, from_now=True)
        self._open: dict[tuple[str, str, str], int] = {}

    def asked(self, question: Callable[[], T]) -> T:
        """Ask the ledger, again on a new connection where the old one was broken or refused by a fault."""

        def answer() -> list[T] | None:
            try:
                return [question()]
            except Error:
                connections[self._site.alias].close()
                return None

        return (eventually(answer, every=0.1, told="the ledger answers") or [])[0]

    def claims(self, worker: WorkerProcess) -> int:
        """Count the jobs that the ledger says a worker has claimed."""
        mine = Worker.objects.using(self._site.alias).filter(pid=worker.pid, lost_at=None)
        rows = Job.objects.using(self._site.alias).filter(state=State.RUNNING)
        return self.asked(rows.filter(worker__in=mine.values("id")).count)

    def running(self) -> int:
        """Count the jobs that are claimed."""
        rows = Job.objects.using(self._site.alias).filter(state=State.RUNNING)
        return self.asked(rows.count)

    def bodies(
        self, process: SiteProcess | None = None, *, of: Sequence[str] | None = None
    ) -> set[int]:
        """Return the processes in which bodies have begun and not ended: of one worker or all, of some jobs or any."""
        for line in self._effects.lines():
            what, job, token, pid = line.split()[:4]
            if what == "start":
                self._open[job, token, pid] = int(pid)
            elif what == "end":
                self._open.pop((job, token, pid), None)
        gone = {pid for pid in set(self._open.values()) if not psutil.pid_exists(pid)}
        self._open = {run: pid for run, pid in self._open.items() if pid not in gone}
        pids = {pid for run, pid in self._open.items() if of is None or run[0] in of}
        return pids if process is None else pids & {process.pid, *process.pids()}

    def tickets(self) -> int:
        """Count the messages that wait in the lists of the broker; 0 if it does not answer."""
        try:
            client = self._site.redis()
            return sum(int(client.llen(key)) for key in _lists(client))
        except redis.RedisError:
            return 0

    def waiting(self) -> dict[bytes, list[bytes]]:
        """Return the first hundred messages of each list; nothing if the broker does not answer."""
        try:
            client = self._site.redis()
            found: dict[Any, Any] = {key: client.lrange(key, 0, 99) for key in _lists(client)}
        except redis.RedisError:
            return {}
        return {key: items for key, items in found.items() if items}

    def senders(self, producers: list[SiteProcess]) -> list[SiteProcess]:
        """Return the producers that have noted a commit since the last look; all, where notes name no process."""
        fresh = [line.split() for line in self._journal.lines()]
        named = {word for line in fresh for word in line[2:]}
        nameless = any(len(line) == 2 for line in fresh)
        return [one for one in producers if one.running and (nameless or str(one.pid) in named)]

    def transactions(self) -> int:
        """Count the connections to PostgreSQL that are inside a transaction."""

        def count() -> int:
            with connections[self._site.alias].cursor() as cursor:
                cursor.execute(_IN_TRANSACTION)
                return int(cursor.fetchone()[0])

        return self.asked(count)


def _lists(client: redis.Redis) -> list[bytes]:
    keys: Iterable[Any] = client.keys("*")
    return [key for key in keys if client.type(key) == b"list"]


_IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
AND xact_start IS NOT NULL AND state <> 'idle'
"""
