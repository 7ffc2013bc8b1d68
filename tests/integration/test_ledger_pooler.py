"""Behind a connection pooler nothing is left in a session: the next transaction may be somebody else's.

No pooler comes as a package, so the greeting is faked: what a pooler changes is the number it greets with.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from pytest_django import DjangoDbBlocker

from holdfast.ledger import transitions
from holdfast.ledger.database import connection, dialect
from holdfast.ledger.records import Hold
from holdfast.testing.services import PostgresServer
from tests.ledgers import ledger_in
from tests.rows import hire, new_job

WORKER = UUID(int=1)


@pytest.fixture
def ledger(postgres_server: PostgresServer, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    name = f"pooler_{uuid4().hex}"
    url = postgres_server.create_database(name)
    with django_db_blocker.unblock(), ledger_in(url, alias=name):
        hire(WORKER)
        connection().close()
        yield


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every server greet with a number that is not its own."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))


def _one(question: str) -> str:
    with connection().cursor() as cursor:
        cursor.execute(question)
        return str(cursor.fetchone()[0])


def _lives(count: int) -> None:
    dialect().own_session()
    for _ in range(count):
        (ticket,) = transitions.record([new_job()])
        (mine,) = transitions.claim([(ticket.id, ticket.token, False)], worker=WORKER).claimed
        assert transitions.succeed(Hold(mine.id, mine.token, WORKER), stored=None)


@pytest.mark.usefixtures("ledger")
def test_statements_are_prepared_where_the_server_itself_answers() -> None:
    _lives(3)

    assert int(_one("SELECT count(*) FROM pg_prepared_statements")) > 0
    assert _one("SHOW enable_seqscan") == "off"


@pytest.mark.usefixtures("ledger", "pooled")
def test_nothing_is_left_in_the_session_of_a_pooler() -> None:
    _lives(3)

    assert int(_one("SELECT count(*) FROM pg_prepared_statements")) == 0
    assert _one("SHOW enable_seqscan") == "on"
    assert _one("SHOW plan_cache_mode") == "auto"


@pytest.mark.usefixtures("ledger", "pooled")
def test_jobs_live_on_though_every_transaction_meets_a_fresh_session() -> None:
    for _ in range(3):
        _lives(1)
        # What a pooler of transactions does to a server between two clients.
        raw = connection().connection
        assert raw is not None
        raw.pgconn.exec_(b"DISCARD ALL")

    assert int(_one("SELECT count(*) FROM holdfast_job WHERE state = 3")) == 3


@pytest.mark.usefixtures("ledger")
def test_who_answers_is_asked_once_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def backend_pid(info: psycopg.ConnectionInfo) -> int:
        asked.append(info)
        return info.pgconn.backend_pid

    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(backend_pid))
    _lives(5)

    assert len(asked) == 1


@pytest.fixture
def pool(postgres_server: PostgresServer, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Django's own pool, of one connection that everybody gets in turn."""
    name = f"pool_{uuid4().hex}"
    url = postgres_server.create_database(name)
    with django_db_blocker.unblock(), ledger_in(url, alias=name):
        connection().close()
        settings = connection().settings_dict
        settings["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 1}
        settings["CONN_MAX_AGE"] = 0
        hire(WORKER)
        connection().close()
        yield
        connection().close()
        connection().close_pool()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("pool")
def test_connection_of_djangos_pool_goes_back_as_it_came() -> None:
    _lives(3)
    one = _one("SELECT pg_backend_pid()")
    connection().close()

    assert _one("SELECT pg_backend_pid()") == one
    assert _one("SHOW enable_seqscan") == "on"
    assert _one("SHOW lock_timeout") == "0"
    assert int(_one("SELECT count(*) FROM pg_prepared_statements")) > 0
