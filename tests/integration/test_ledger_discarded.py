"""A cursor of the project lets go of all that is prepared in a session: no call fails, and no transaction is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, transaction
from django.test.utils import CaptureQueriesContext, override_settings
from pytest_django import DjangoDbBlocker

from holdfast.conf import get_settings
from holdfast.ledger import transitions
from holdfast.ledger.database import connection, dialect, job_runs_again, with_patience
from holdfast.ledger.dialects import prepared
from holdfast.ledger.models import Job
from holdfast.ledger.records import Alike, Hold, Ticket, UniqueRequest, Use
from holdfast.testing.services import PostgresServer
from tests.ledgers import ledger_in
from tests.rows import RESULT, hire, new_job

WORKER = UUID(int=1)


@pytest.fixture
def on_postgres(
    postgres_server: PostgresServer,
    django_db_blocker: DjangoDbBlocker,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """A ledger on PostgreSQL whose look-ups are prepared in every session, as those of a grown one are."""
    monkeypatch.setattr(prepared, "GROWN_PAGES", 0)
    name = f"discarded_{uuid4().hex}"
    url = postgres_server.create_database(name)
    with django_db_blocker.unblock(), ledger_in(url, alias=name):
        hire(WORKER)
        yield


def execute(statement: str) -> None:
    with connection().cursor() as cursor:
        cursor.execute(statement)


def prepared_here() -> int:
    with connection().cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        return int(cursor.fetchone()[0])


def live(ticket: Ticket, *, kept: bool) -> None:
    (mine,) = transitions.claim([(ticket.id, ticket.token, False)], worker=WORKER).claimed
    assert transitions.succeed(Hold(mine.id, mine.token, WORKER), stored=RESULT if kept else None)


def lives() -> int:
    """Record jobs in every way there is and run some of them; return how many."""
    fresh = transitions.record_fresh(new_job(str(uuid4())))
    (one,) = transitions.record([new_job(str(uuid4()))])
    many = transitions.record([new_job(str(uuid4())) for _ in range(2)])
    alike = transitions.record_alike(
        new_job(), [[Alike(str(uuid4()), "{}", b"[]") for _ in range(2)]]
    )
    live(fresh, kept=False)
    live(one, kept=True)
    return 2 + len(many) + len(alike)


def jobs() -> int:
    return Job.objects.using(get_settings().database).count()


@pytest.mark.usefixtures("on_postgres")
@pytest.mark.parametrize("statement", ["DISCARD ALL", "DEALLOCATE ALL"])
def test_call_outside_a_transaction_prepares_again(statement: str) -> None:
    made = lives()
    for _ in range(3):
        execute(statement)
        assert prepared_here() == 0
        made += lives()
        assert prepared_here() > 0
    assert jobs() == made


@pytest.mark.usefixtures("on_postgres")
def test_transaction_goes_on_after_all_that_was_prepared_is_gone() -> None:
    made = lives()
    execute("DISCARD ALL")
    with transaction.atomic(using=get_settings().database):
        made += lives()
        execute("DEALLOCATE ALL")
        made += lives()
        with transaction.atomic(using=get_settings().database):
            execute("DEALLOCATE ALL")
            made += lives()
    made += lives()
    assert jobs() == made


@pytest.mark.usefixtures("on_postgres")
def test_nothing_is_prepared_inside_a_transaction_but_in_a_session_of_the_ledgers_own() -> None:
    with transaction.atomic(using=get_settings().database):
        lives()
        assert prepared_here() == 0
    dialect().own_session()
    with transaction.atomic(using=get_settings().database):
        lives()
        assert prepared_here() > 0


@pytest.mark.usefixtures("on_postgres")
def test_transaction_of_the_ledgers_own_is_begun_again() -> None:
    def record() -> int:
        with transaction.atomic(using=get_settings().database):
            transitions.record([new_job(str(uuid4()))])
            transitions.record([new_job(str(uuid4()))])
            return prepared_here()

    assert with_patience(record, seconds=30, what="recording") > 0
    execute("DEALLOCATE ALL")
    assert with_patience(record, seconds=30, what="recording") > 0
    # It is the project's where a call joins one that is open.
    with transaction.atomic(using=get_settings().database):
        execute("DEALLOCATE ALL")
        assert with_patience(record, seconds=30, what="recording") == 0
    assert jobs() == 6


@pytest.mark.usefixtures("on_postgres")
def test_end_of_a_job_that_runs_again_misses_what_was_prepared_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prepared.Missed, "once", False)
    tickets = transitions.record([new_job(str(uuid4())) for _ in range(2)])
    (first, second) = (
        Hold(job.id, job.token, WORKER)
        for job in transitions.claim(
            [(t.id, t.token, False) for t in tickets], worker=WORKER
        ).claimed
    )

    def end(hold: Hold, *, before: str = "SELECT 1") -> int:
        with transaction.atomic(using=get_settings().database):
            execute(before)
            with job_runs_again():
                assert transitions.succeed(hold, stored=RESULT)
            return prepared_here()

    execute("DEALLOCATE ALL")
    assert end(first) > 0
    with pytest.raises(OperationalError, match="prepared"):
        end(second, before="DEALLOCATE ALL")
    # The next attempt, of whose body the same is to be expected.
    assert end(second, before="DEALLOCATE ALL") == 0


@pytest.mark.usefixtures("on_postgres")
@pytest.mark.parametrize(
    "asks",
    [
        lambda: {"hold": "limit", "limits": (Use("keys", "a"),)},
        lambda: {"unique": UniqueRequest(key=str(uuid4()), scope="unfinished", conflict="raise")},
    ],
    ids=["limited", "unique"],
)
def test_call_that_takes_a_transaction_of_its_own_is_made_once(asks: Callable[[], Any]) -> None:
    transitions.record([new_job(**asks())])
    there = prepared_here()
    for made in (2, 3):
        execute("DEALLOCATE ALL")
        transitions.record([new_job(**asks())])
        assert jobs() == made
    assert there > 0


@pytest.mark.usefixtures("on_postgres")
def test_nothing_is_prepared_where_the_settings_say_so() -> None:
    with override_settings(
        HOLDFAST={"database": get_settings().database, "prepare_statements": False}
    ):
        connection().close()
        dialect().own_session()
        lives()
        assert prepared_here() == 0


def test_every_statement_is_shown_to_who_logs_statements(ledger: str) -> None:
    hire(WORKER)
    with CaptureQueriesContext(connection()) as queries:
        lives()
        with transaction.atomic(using=ledger):
            lives()
    shown = [str(query["sql"]) for query in queries]
    assert all(query["sql"] for query in queries), shown
    assert sum("INSERT INTO holdfast_job" in sql for sql in shown) >= 4
    assert sum("UPDATE holdfast_job" in sql for sql in shown) >= 4


@pytest.mark.usefixtures("on_postgres")
def test_every_statement_goes_by_a_cursor_that_somebody_put_into_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, seen = connection(), []
    stock = here.cursor

    def cursor() -> object:
        seen.append("cursor")
        return stock()

    lives()
    # As toolbars do.
    monkeypatch.setattr(here, "cursor", cursor)
    transitions.record_fresh(new_job(str(uuid4())))
    live(transitions.record([new_job(str(uuid4()))])[0], kept=False)
    assert len(seen) == 4
