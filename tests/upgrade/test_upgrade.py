"""A rolling upgrade really gone, and the way back: processes of two releases beside each other on one ledger."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from holdfast.testing.services import PostgresServer, RedisServer
from tests.eventually import eventually
from tests.ledgers import sqlite_url
from tests.processes import ROOT
from tests.upgrade.releases import Build, newest_migration, unpacked

pytestmark = pytest.mark.slow

# Finished and failed jobs, attempts that failed, and what is open.
_COUNT = """
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.states import OPEN
counts = [Job.objects.filter(state__in=sorted(OPEN)).count(), Job.objects.count()]
print(*counts, Attempt.objects.filter(outcome="lost").count())
"""


@dataclass
class Office:
    """Both releases under one project, and what its jobs have written."""

    old: Build
    new: Build
    effects: Path
    came: Path
    """What a long job waits for."""
    wanted: int = 0
    sends: int = 0

    def send(self, by: Build, queue: str) -> None:
        """Have a release send jobs of all kinds."""
        name = f"{by.name} {self.sends}"
        code = f"print(bureau.holdfast.__file__, bureau.send({name!r}, {queue!r}), sep='\\n')"
        where, lines = by.python(code).splitlines()
        assert where.startswith(str(by.source)), "it runs the code of this release"
        self.sends += 1
        self.wanted += int(lines)

    def await_all(self) -> None:
        """Wait until each line is there, once."""

        def all_there() -> bool:
            lines = self.lines()
            tails = "\n".join(
                one.log_tail(8) for build in (self.old, self.new) for one in build.workers
            )
            assert len(lines) >= self.wanted, f"{len(lines)} of {self.wanted}\n{tails}"
            return True

        eventually(all_there, every=0.1, told="all jobs have written their line")
        assert len(self.lines()) == self.wanted
        assert max(self.lines().values()) == 1

    def lines(self) -> Counter[str]:
        """Return what was written by whom, without those who wait."""
        return Counter(line for line in self.effects.read_text().splitlines() if line != "waits")

    def writers(self) -> set[str]:
        return {line.rpartition(" ")[2] for line in self.lines()}


@pytest.fixture(params=["sqlite", "postgres"])
def office(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer
) -> Iterator[Office]:
    if request.param == "sqlite":
        database = sqlite_url(tmp_path)
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        database = server.create_database(f"upgrade_{os.getpid()}")
    broker = f"{redis_server.url.rpartition('/')[0]}/13"
    redis.Redis.from_url(broker).flushdb()
    effects = tmp_path / "effects.txt"
    effects.touch()
    common = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "DATABASE_URL": database,
        "REDIS_URL": broker,
        "EFFECTS": str(effects),
    }
    old = Build("old", unpacked(tmp_path / "old"), tmp_path, common)
    new = Build("new", ROOT / "src", tmp_path, common)
    yield Office(old, new, effects, tmp_path / "came")
    for worker in [*old.workers, *new.workers]:
        worker.kill()


@pytest.mark.short_on("postgres")
def test_release_is_replaced_by_the_next_and_by_the_one_before_while_jobs_run(
    office: Office,
) -> None:
    old, new = office.old, office.new
    before = newest_migration(old.source)
    assert newest_migration(new.source) >= before

    # The release that runs, with a job that outlasts the migration.
    old.django("migrate", "--verbosity", 0)
    worker = old.worker("celery")
    waiting = old.python(f"print(bureau.wait_for.delay({str(office.came)!r}).id)")
    eventually(lambda: "waits" in office.effects.read_text(), told="the long job runs")
    office.send(old, "celery")

    # A worker that comes before the migrations waits for them, and takes nothing until then.
    second = new.worker("new", ready=False)
    # Migrations first: they come while old processes send and run.
    migration = new.start("migrate", "--verbosity", 0)
    office.send(old, "celery")
    assert migration.wait(120) == 0
    office.send(old, "celery")
    office.await_all()
    assert office.writers() == {"old"}
    office.came.touch()
    ended = f"print(bureau.app.AsyncResult({waiting!r}).get(timeout=60))"
    assert new.python(ended) == "it came"

    # Both at once: what one sends the other runs.
    second.await_line("Lease taken")
    office.send(new, "celery")
    office.send(old, "new")
    office.await_all()
    assert {"old", "new"} == office.writers()

    # The old one goes in order, and the new one has it all.
    worker.stop()
    third = new.worker("celery")
    office.send(old, "celery")
    office.await_all()

    for one in (second, third):
        one.stop()
    go_back(office, before)


def go_back(office: Office, before: str) -> None:
    """Let the release before have it all again: first on the new tables, then on its own."""
    old, new = office.old, office.new
    office.send(new, "celery")
    worker = old.worker("celery,new")
    office.await_all()
    worker.stop()

    # With everything stopped, the old tables: jobs and their history are still there.
    office.send(new, "celery")
    waiting_still, all_jobs, lost = map(int, new.python(_COUNT).split())
    assert (waiting_still > 0, lost) == (True, 0)
    new.django("migrate", "holdfast", before, "--verbosity", 0)
    assert old.python(_COUNT).split() == [str(waiting_still), str(all_jobs), "0"]
    worker = old.worker("celery,new")
    office.await_all()
    eventually(lambda: old.python(_COUNT).split()[0] == "0", told="no job is left open")
    worker.stop()
