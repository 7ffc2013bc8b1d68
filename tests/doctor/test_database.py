"""How the database is set, and what is open in it: each fault is made on a real server, and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections

from holdfast.ledger import mending, transitions
from holdfast.ledger.models import Worker
from holdfast.ledger.reads import structure
from holdfast.testing.services import PostgresServer
from tests.doctor.asking import Told, ask, only, until
from tests.doctor.greeting import PoolerLike
from tests.doctor.hired import hire
from tests.doctor.project import Project
from tests.eventually import eventually
from tests.harness import SHORT, Site, new_site
from tests.rows import new_job

LEASE = 1.0
FAULTS = only(
    *("E410", "E411", "W412", "W413", "W414", "W415", "W416", "W418", "I419"),
    *("W420", "W421", "W422", "E423", "E424", "W425", "W426", "E430"),
)


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("postgres", request, holdfast={**SHORT, "lease_seconds": LEASE}) as site:
        yield site


@pytest.fixture
def sql(site: Site, postgres_server: PostgresServer) -> Callable[[str], str]:
    """Run a statement in the site's database."""
    name = site.database_url.rpartition("/")[2]
    return lambda statement: postgres_server.execute(statement, database=name)


@pytest.fixture
def alter(site: Site, postgres_server: PostgresServer) -> Callable[[str], str]:
    """Change what the site's database gives its sessions, from outside of it."""
    name = site.database_url.rpartition("/")[2]
    return lambda what: postgres_server.execute(f'ALTER DATABASE "{name}" {what}')


def test_healthy_server_hears_nothing(site: Site) -> None:
    told = ask(site.environment, *FAULTS)
    assert told.findings == []
    assert {"clocks_agree", "no_long_transactions", "indexes_are_whole"} <= set(told.asked)


def test_commits_that_wait_for_no_disk_are_quick_enough(
    site: Site, alter: Callable[[str], str]
) -> None:
    # The disk of the machine that runs the tests may be slow indeed.
    alter("SET synchronous_commit = off")
    try:
        told = ask(site.environment, *only("W417"))
    finally:
        alter("RESET synchronous_commit")
    assert told.findings == []
    assert "commits_are_quick" in told.asked


def test_settings_of_the_database_that_break_a_promise_are_seen(
    site: Site, alter: Callable[[str], str]
) -> None:
    values = {
        "synchronous_commit": "off",
        "statement_timeout": "1500ms",
        "default_transaction_read_only": "on",
    }
    for name, value in values.items():
        alter(f"SET {name} = '{value}'")
    try:
        told = ask(site.environment, *FAULTS)
    finally:
        for name in values:
            alter(f"RESET {name}")
    assert told.ids >= {"E410", "W412", "W413"}
    assert "statement_timeout is 1500 ms" in told.evidence("W413")
    assert "default_transaction_read_only is on" in told.evidence("E410")
    assert ask(site.environment, *only("E410", "W412", "W413")).findings == []


def test_server_that_may_lose_what_it_has_committed_and_does_so_slowly_is_seen(
    site: Site, postgres_server: PostgresServer
) -> None:
    postgres_server.execute("ALTER SYSTEM SET full_page_writes = off")
    postgres_server.delay_commits(0.1)
    try:
        told = until(site.environment, "E411", *only("E411", "W417"))
    finally:
        postgres_server.execute("ALTER SYSTEM RESET full_page_writes")
        postgres_server.delay_commits(0)
    assert "full_page_writes off" in told.evidence("E411")
    assert told.one("W417")["data"]["median_ms"] > 80


def test_pooler_in_between_is_seen_until_django_is_told(site: Site) -> None:
    port = int(site.database_url.rpartition(":")[2].partition("/")[0])
    with PoolerLike(port) as pooler:
        url = site.database_url.replace(f":{port}/", f":{pooler.port}/")
        told = ask(site.environment | {"TEST_DATABASE_URL": url}, *only("W414"))
    assert "DISABLE_SERVER_SIDE_CURSORS is off" in told.evidence("W414")


def test_more_slots_than_connections_are_counted(site: Site) -> None:
    hired = [hire(f"w{number}", slots=60) for number in range(4)]
    told = ask(site.environment, *only("W415"))
    Worker.objects.using(site.alias).filter(id__in=hired).delete()
    assert told.one("W415")["data"]["needed"] == 4 * 64
    assert "allows 200" in told.evidence("W415")


def test_connections_that_are_nearly_used_up_are_counted(
    site: Site, alter: Callable[[str], str]
) -> None:
    assert not Worker.objects.using(site.alias).count()  # this process has one
    alter("CONNECTION LIMIT 2")
    try:
        told = ask(site.environment, *only("W416"))
    finally:
        alter("CONNECTION LIMIT -1")
    assert "of 2 are in use, by database" in told.evidence("W416")


def test_clock_that_differs_is_measured(
    site: Site, sql: Callable[[str], str], alter: Callable[[str], str]
) -> None:
    # What every session of this database is told of the time, as by a server whose clock is wrong.
    sql(
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
        "$$ SELECT pg_catalog.clock_timestamp() - interval '90 seconds' $$"
    )
    alter("SET search_path = public, pg_catalog")
    try:
        told = ask(site.environment, *only("W418"))
    finally:
        alter("RESET search_path")
        sql("DROP FUNCTION public.clock_timestamp()")
    assert told.one("W418")["data"]["skew_seconds"] == pytest.approx(-90, abs=10)
    assert "behind this host's" in told.evidence("W418")


def test_connections_that_are_not_kept_are_a_remark(site: Site, tmp_path: Any) -> None:
    port = int(site.database_url.rpartition(":")[2].partition("/")[0])
    settings = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": port}
    project = Project(
        tmp_path, settings=f'DATABASES["default"] = {settings | {"NAME": "postgres"}!r}'
    )
    assert "CONN_MAX_AGE of 'default' is 0" in project.ask(*only("I419")).evidence("I419")


@pytest.mark.parametrize("bound", ["OPTIONS", "PGCONNECT_TIMEOUT", "HOST"])
def test_connect_without_a_bound_is_told_of_until_it_has_one(
    tmp_path: Any, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "db.internal",
        "NAME": "shop",
    }
    project = Project(tmp_path, settings=f'DATABASES["default"] = {stated!r}')
    words = only("W431")
    if bound == "OPTIONS":
        found = project.ask(*words).one("W431")
        assert "'default' is at db.internal" in found["evidence"]
        assert '"connect_timeout": 5' in found["repair"]
        stated["OPTIONS"] = {"connect_timeout": 0}
        endless = Project(tmp_path / "0", settings=f'DATABASES["default"] = {stated!r}')
        assert endless.ask(*words).ids == {"W431"}
        stated["OPTIONS"] = {"connect_timeout": 5}
    elif bound == "HOST":
        stated["HOST"] = "/run/postgresql"
    else:
        monkeypatch.setenv("PGCONNECT_TIMEOUT", "5")
    mended = Project(tmp_path / "mended", settings=f'DATABASES["default"] = {stated!r}')
    assert mended.ask(*words).findings == []


# -- what is open -------------------------------------------------------------------------------------


def test_transactions_that_stay_open_are_named_with_what_they_hold(site: Site) -> None:
    (ticket,) = transitions.record([new_job()])
    with (
        psycopg.connect(site.database_url, application_name="holder") as holder,
        psycopg.connect(site.database_url, application_name="reader", autocommit=True) as reader,
    ):
        holder.execute("SELECT 1 FROM holdfast_job WHERE id = %s FOR UPDATE", [ticket.id])
        reader.execute("BEGIN; SELECT 41 + 1")

        told = until(site.environment, "W421", *only("W420", "W421"), count=2)
        held = told.one("W420")
        assert held["data"]["pid"] == holder.info.backend_pid
        assert "(holder)" in held["evidence"]
        assert "FOR UPDATE" in held["evidence"]
        assert f"pg_terminate_backend({holder.info.backend_pid})" in held["repair"]
        assert {one["data"]["pid"] for one in told.all("W421")} == {
            holder.info.backend_pid,
            reader.info.backend_pid,
        }
    assert ask(site.environment, *only("W420", "W421", "W422")).findings == []


def test_statement_that_runs_for_many_leases_holds_back_the_vacuum(site: Site) -> None:
    with psycopg.connect(site.database_url, autocommit=True) as report:
        report.execute("SELECT 1")
        pid = report.info.backend_pid
        # With a lease so short that it has soon run for twenty of them.
        hurried = site.environment | {
            "HOLDFAST_LEASE_SECONDS": "0.02",
            "HOLDFAST_SWEEP_SECONDS": "0.01",
        }
        report.pgconn.send_query(b"SELECT pg_sleep(300)")
        with psycopg.connect(site.database_url, autocommit=True) as other:
            eventually(lambda: _has_run_for(other, pid, seconds=20 * 0.02), told="it runs")
        told = ask(hurried, *only("W422"))
        assert told.one("W422")["data"]["pid"] == pid
        assert "pg_sleep(300)" in told.evidence("W422")
        with psycopg.connect(site.database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        report.pgconn.finish()


def _has_run_for(connection: psycopg.Connection[Any], pid: int, *, seconds: float) -> bool:
    age = "SELECT extract(epoch FROM clock_timestamp() - xact_start) FROM pg_stat_activity WHERE pid = %s"
    ((found,),) = connection.execute(age, [pid]).fetchall()
    return found is not None and float(found) > seconds


# -- tables and indexes -------------------------------------------------------------------------------


def test_index_that_is_missing_or_invalid_is_named_with_its_statement(
    site: Site, sql: Callable[[str], str]
) -> None:
    statement = structure.sql_of_index("holdfast_job_queued")
    sql("DROP INDEX holdfast_job_queued")
    sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'holdfast_job_held'::regclass")
    try:
        told = ask(site.environment, *only("E423", "E424"))
    finally:
        mending.build_index("holdfast_job_queued")
        mending.build_index("holdfast_job_held")
    assert told.one("E423")["repair"] == f"{statement};"
    assert "CONCURRENTLY" in statement
    assert "holdfast_job_held" in told.one("E424")["repair"]
    assert ask(site.environment, *only("E423", "E424")).findings == []


def test_dead_rows_that_nobody_takes_away_are_counted(
    site: Site, sql: Callable[[str], str]
) -> None:
    sql("ALTER TABLE holdfast_effect SET (autovacuum_enabled = false)")
    sql(
        "INSERT INTO holdfast_effect (key, state, turn, times_begun, begun_at, expires_at, content_type, "
        "content_encoding) SELECT 'e' || n, 1, gen_random_uuid(), 1, now(), now(), '', '' "
        "FROM generate_series(1, 12000) n; DELETE FROM holdfast_effect; SELECT pg_stat_force_next_flush()"
    )
    try:
        told = until(site.environment, "W425", *only("W425", "W426"))
    finally:
        sql("ALTER TABLE holdfast_effect RESET (autovacuum_enabled)")
    sql("VACUUM holdfast_effect")
    assert told.one("W425")["data"]["table"] == "holdfast_effect"
    assert told.one("W425")["repair"] == "VACUUM (ANALYZE) holdfast_effect;"
    assert "holdfast_effect" in told.evidence("W426")
    assert not ask(site.environment, *only("W426")).findings


# -- SQLite -------------------------------------------------------------------------------------------


def test_sqlite_that_is_set_otherwise_than_the_quickstart_says_is_seen(tmp_path: Any) -> None:
    words = only("W427", "W428", "W429", "E410")
    assert Project(tmp_path / "well").ask(*words).findings == []

    def with_options(name: str, options: str) -> Told:
        settings = (
            f'DATABASES["default"]["OPTIONS"] = {{"transaction_mode": "IMMEDIATE", {options}}}'
        )
        return Project(tmp_path / name, settings=settings).ask(*words)

    sick = with_options("sick", '"timeout": 1, "init_command": "PRAGMA synchronous=OFF"')
    assert sick.ids == {"W427", "W428", "W429"}
    assert "journal_mode is delete" in sick.evidence("W427")
    assert "synchronous is OFF" in sick.evidence("W428")
    assert "busy_timeout is 1000 ms" in sick.evidence("W429")
    assert with_options("read", '"init_command": "PRAGMA query_only=ON"').ids >= {"E410"}


def test_sqlite_ledger_of_several_hosts_is_an_error(request: pytest.FixtureRequest) -> None:
    with new_site("sqlite", request) as site:
        hire("w1", host="one")
        assert ask(site.environment, *only("E430", "E423")).findings == []
        hire("w2", host="two")
        with connections[site.alias].cursor() as cursor:
            cursor.execute("DROP INDEX holdfast_job_queued")
        told = ask(site.environment, *only("E430", "E423"))
        assert told.ids == {"E430", "E423"}
        assert "one, two" in told.evidence("E430")
        mending.build_index("holdfast_job_queued")
        assert ask(site.environment, *only("E423")).findings == []
