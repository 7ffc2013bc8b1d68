"""A database that is set back to a moment: what stays, what repeats, what is gone, as docs/guides/backup.md says."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections

from holdfast.testing.services import PostgresServer
from tests.chaos import tasks as chaos_tasks
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import charging
from tests.project.charging import read
from tests.project.models import AtomicEffect

INCLUDED = f"--include={charging.__name__},{chaos_tasks.__name__}"


class Archived:
    """A PostgreSQL that archives its log, as docs/guides/backup.md sets it up."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.archive = place / "archive"
        self.server = PostgresServer(place / "first").start()
        self.server.give(self.archive)
        for name, value in {
            "archive_mode": "on",
            "archive_command": f"cp %p {self.archive}/%f",
        }.items():
            self.server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.server.restart()

    def moment(self) -> str:
        """Return the database's time, between what was before and what comes."""
        return self.server.execute("SELECT clock_timestamp()")

    def set_back(self, moment: str) -> None:
        """Lose the server, and start the backup in its place, on the same port, as it was at the moment."""
        last = self.server.execute("SELECT pg_walfile_name(pg_current_wal_lsn())")
        self.server.execute("SELECT pg_switch_wal()")
        eventually(
            lambda: self.server.execute("SELECT last_archived_wal FROM pg_stat_archiver") >= last,
            told="what was written is archived",
        )
        self.server.kill()
        data = self.place / "second" / "data"
        (data / "recovery.signal").touch()
        with (data / "postgresql.auto.conf").open("a") as configuration:
            configuration.write(
                f"restore_command = 'cp {self.archive}/%f %p'\n"
                f"recovery_target_time = '{moment}'\n"
                "recovery_target_action = 'promote'\n"
            )
        self.server = PostgresServer(self.place / "second", port=self.server.port).start()
        eventually(
            lambda: self.server.execute("SELECT pg_is_in_recovery()") == "f",
            told="it is the master",
        )


@pytest.fixture
def archived() -> Iterator[Archived]:
    place = Path(tempfile.mkdtemp(prefix="holdfast-restore-"))
    place.chmod(0o755)
    archived = Archived(place)
    yield archived
    archived.server.stop(immediate=True)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def site(archived: Archived, request: pytest.FixtureRequest) -> Iterator[Site]:
    url = archived.server.create_database("site")
    with new_site("postgres", request, database_url=url) as site:
        yield site


def test_database_set_back_to_a_moment_repeats_what_ended_after_it_and_nothing_else(
    archived: Archived, site: Site
) -> None:
    archived.server.back_up(archived.place / "second")
    worker = site.worker(INCLUDED)
    ended = site.task("effect").delay("ended before")
    site.wait_all_final()
    # Recorded before the moment, and run after it.
    effect = site.task("effect").apply_async(["across"], queue="other")
    atomic = site.app.tasks[chaos_tasks.atomic_work.name].apply_async(queue="other")
    charge = site.app.tasks[charging.charge.name].apply_async(["order 1"], queue="other")
    moment = archived.moment()
    other = site.worker(INCLUDED, queues="other")
    site.wait_all_final()
    # Recorded after the moment, and still on the broker.
    gone = site.task("effect").apply_async(["recorded after"], queue="late")
    assert site.redis().llen("late") == 1

    for each in (worker, other):
        each.kill()
    connections[site.alias].close()
    archived.set_back(moment)

    assert site.states() == {
        ended.id: "succeeded",
        effect.id: "queued",
        atomic.id: "queued",
        charge.id: "queued",
    }
    site.worker(INCLUDED, queues="celery,other,late")
    assert set(site.wait_all_final().values()) == {"succeeded"}
    again = site.task("effect").delay("sent anew")
    site.await_effect("end sent anew")

    assert gone.id not in site.states()
    eventually(
        lambda: not site.redis().exists("late"), told="the ticket of a job nobody knows is dropped"
    )
    # What a job did in the database was set back with it, and is there once; what it did outside happened twice.
    assert [row.job for row in AtomicEffect.objects.using(site.alias).all()] == [atomic.id]
    counts = site.effect_counts()
    assert counts["end ended before"] == 1
    assert counts["end across"] == 2
    assert counts["end recorded after"] == 0
    assert read(site.effects_file, "charged") == ["order 1", "order 1"]
    assert site.result(again.id).get(timeout=10) == "sent anew"
