"""The transaction of an atomic job begins with its name, in one round trip, and is like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connections, transaction
from psycopg import IsolationLevel

from holdfast.ledger import fence, transitions
from holdfast.ledger.database import atomic, connection
from holdfast.ledger.marks import transaction_mark
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold
from tests.rows import new_job

HOLD = Hold("a job", 2, UUID(int=1))


@pytest.fixture
def alias(ledger: str) -> str:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("a transaction of SQLite has no name")
    # Open: the first statement of a connection asks for more than it says.
    connections[ledger].ensure_connection()
    return ledger


@pytest.fixture
def said(alias: str) -> Iterator[list[str]]:
    """What psycopg is asked to send by cursors, which is all but what goes without one."""
    found: list[str] = []

    def note(
        execute: Any, sql: str, params: Any, many: bool, context: Any
    ) -> Any:  # Django's order
        found.append(sql)
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(note):
        yield found


def record(id: str) -> None:
    transitions.record([new_job(id)])


def name() -> str:
    with connection().cursor() as cursor:
        cursor.execute("SHOW application_name")
        return str(cursor.fetchone()[0])


def test_name_lasts_as_long_as_the_transaction(alias: str) -> None:
    before = name()
    with atomic():
        fence.mark(HOLD)
        assert name() == transaction_mark(HOLD.id, HOLD.token)
    assert name() == before


def test_it_begins_without_a_cursor(alias: str) -> None:
    raw = connections[alias].connection
    with atomic():
        assert raw.info.transaction_status.name == "IDLE"
        fence.mark(HOLD)
        assert raw.info.transaction_status.name == "INTRANS"


def test_what_it_wrote_is_undone_with_it(alias: str) -> None:
    with suppress(IntegrityError), atomic():
        fence.mark(HOLD)
        record("kept")
        raise IntegrityError
    assert not Job.objects.using(alias).exists()
    assert connections[alias].connection.info.transaction_status.name == "IDLE"


def test_savepoints_and_commits_go_on_as_ever(alias: str) -> None:
    with atomic():
        fence.mark(HOLD)
        with suppress(IntegrityError), transaction.atomic(using=alias):
            record("undone")
            raise IntegrityError
        record("kept")
    assert list(Job.objects.using(alias).values_list("id", flat=True)) == ["kept"]


def test_who_watches_statements_sees_it(said: list[str]) -> None:
    with atomic():
        fence.mark(HOLD)
    assert any("application_name" in sql for sql in said)


def test_isolation_of_the_projects_choice_is_kept(alias: str) -> None:
    raw = connections[alias].connection
    before = raw.isolation_level
    raw.set_isolation_level(IsolationLevel.SERIALIZABLE)
    try:
        with atomic():
            fence.mark(HOLD)
            with connection().cursor() as cursor:
                cursor.execute("SHOW transaction_isolation")
                assert cursor.fetchone() == ("serializable",)
    finally:
        raw.set_isolation_level(before)


def test_inside_a_transaction_that_has_begun_it_is_named_too(alias: str) -> None:
    with atomic():
        record("before")
        fence.mark(HOLD)
        assert name() == transaction_mark(HOLD.id, HOLD.token)
