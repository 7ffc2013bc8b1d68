"""A database that does not answer: each way it fails has a finding of its own, and nothing else is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.ports import free_port
from holdfast.testing.services import PostgresServer, RedisServer
from tests.doctor.asking import only
from tests.doctor.project import Project
from tests.harness import Site, new_site

REACH = only("E401", "E402", "E403", "E404", "E405", "E406", "E407")
NOBODY = "doctor_nobody"


def postgres(folder: Path, **settings: object) -> Project:
    values = {"ENGINE": "django.db.backends.postgresql", "USER": "postgres", "HOST": "127.0.0.1"}
    return Project(folder, settings=f'DATABASES["default"] = {values | settings!r}')


def test_each_step_at_which_a_connection_fails_is_told_from_the_others(
    tmp_path: Path, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    port = postgres_server.port
    here = {"NAME": "postgres", "PORT": port}
    expected = {
        "E401": (here | {"HOST": "db.invalid"}, "db.invalid"),
        "E402": (here | {"PORT": free_port()}, "refused"),
        "E403": (here | {"USER": "nobody_of_this_name"}, "nobody_of_this_name"),
        "E404": (here | {"NAME": "no_such_database"}, "no_such_database"),
        "E406": (here | {"PORT": redis_server.port}, "takes connections"),
    }
    for id, (settings, evidence) in expected.items():
        told = postgres(tmp_path / id, **settings).ask(*REACH)
        assert told.ids == {id}
        assert evidence in told.evidence(id)
        assert told.status == 1
    assert postgres(tmp_path / "well", **here).ask(*REACH).findings == []


def test_what_needs_the_database_is_not_asked_when_it_is_away(tmp_path: Path) -> None:
    told = postgres(tmp_path, NAME="x", PORT=free_port()).ask(*only("database", "jobs", "queues"))
    assert [id for id in told.ids if id.startswith("E4")] == ["E402"]
    skipped = {one["probe"]: one["because"] for one in told.skipped}
    assert "running_jobs_have_a_worker" in skipped
    assert "queues_are_served" in skipped


def test_database_that_is_full_says_so(tmp_path: Path, postgres_server: PostgresServer) -> None:
    postgres_server.create_database("doctor_full")
    postgres_server.create_user(NOBODY)
    postgres_server.limit_connections("doctor_full", 0)
    try:
        full = postgres(tmp_path, NAME="doctor_full", PORT=postgres_server.port, USER=NOBODY)
        told = full.ask(*REACH)
        assert told.ids == {"E405"}
        assert "too many connections" in told.evidence("E405")
    finally:
        postgres_server.limit_connections("doctor_full", None)
        postgres_server.drop_database("doctor_full")
        postgres_server.execute(f"DROP ROLE {NOBODY}")


def test_file_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    told = Project(
        tmp_path, settings='DATABASES["default"]["NAME"] = BASE + "/nowhere/ledger.sqlite3"'
    ).ask(*REACH)
    assert told.ids == {"E407"}
    assert "nowhere" in told.evidence("E407")


# -- the state of what answers -------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(request.param, request) as site:
        yield site


def test_tables_of_another_release_are_seen(site: Site) -> None:
    from tests.doctor.asking import ask

    words = only("E408", "W409")
    assert ask(site.environment, *words).findings == []
    last = site.python(
        "from django.db.migrations.recorder import MigrationRecorder as R; from django.db import connection\n"
        "names = R(connection).migration_qs.filter(app='holdfast')\n"
        "print(names.order_by('-name').values_list('name', flat=True)[0])"
    ).strip()
    site.python(
        "from django.db.migrations.recorder import MigrationRecorder as R; from django.db import connection\n"
        "R(connection).record_unapplied('holdfast', sys.argv[1])\n"
        "R(connection).record_applied('holdfast', '9999_of_tomorrow')",
        last,
    )
    told = ask(site.environment, *words)
    assert told.ids == {"E408", "W409"}
    assert last in told.evidence("E408")
    assert told.one("E408")["repair"] == "manage.py migrate holdfast --database default"
    assert "9999_of_tomorrow" in told.evidence("W409")
    assert "queues_are_served" not in ask(site.environment, *only("queues")).asked
