"""A statement that is planned once must not keep the plan it got while the table was nearly empty."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from pytest_django import DjangoDbBlocker

from holdfast.ledger import transitions
from holdfast.ledger.database import connection, dialect
from holdfast.ledger.dialects import prepared
from holdfast.ledger.records import Hold
from holdfast.testing.services import PostgresServer
from tests.ledgers import ledger_in
from tests.rows import hire, new_job

WORKER = UUID(int=1)
# PostgreSQL weighs a plan for all values against plans for these only after the fifth.
ENOUGH_TO_KEEP_A_PLAN = 8


@pytest.fixture
def ledger(postgres_server: PostgresServer, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """An empty ledger whose statistics nobody renews."""
    name = f"prepared_{uuid4().hex}"
    url = postgres_server.create_database(name)
    with django_db_blocker.unblock(), ledger_in(url, alias=name):
        execute("ALTER TABLE holdfast_job SET (autovacuum_enabled = false)")
        execute("VACUUM ANALYZE holdfast_job")
        hire(WORKER)
        yield


def execute(statement: str) -> None:
    with connection().cursor() as cursor:
        cursor.execute(statement)


def ask(question: str) -> int:
    with connection().cursor() as cursor:
        cursor.execute(question)
        return int(cursor.fetchone()[0])


def lives(count: int) -> None:
    for _ in range(count):
        (ticket,) = transitions.record([new_job()])
        (mine,) = transitions.claim([(ticket.id, ticket.token, False)], worker=WORKER).claimed
        assert transitions.succeed(Hold(mine.id, mine.token, WORKER), stored=None)


def grow() -> None:
    """Add a history no statistics know of."""
    execute(
        """
        INSERT INTO holdfast_job (id, task, queue, priority, state, token, attempts, failures, losses, suspect,
            ahead, hold, reason, recorded_at, ignore_result, linked, unsettled)
        SELECT 'job-' || n, 't', 'q', 0, 3, 1, 1, 0, 0, false, false, '', '', now(), false, false, false
        FROM generate_series(1, 10000) AS n
        """
    )


def shrink() -> None:
    execute("DELETE FROM holdfast_job")
    execute("VACUUM ANALYZE holdfast_job")


def full_reads() -> int:
    """Return how often the jobs were read from one end to the other."""
    ask("SELECT 1 FROM pg_stat_force_next_flush()")
    return ask("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'holdfast_job'")


def prepared_look_ups() -> int:
    return ask(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%UPDATE holdfast_job%'"
    )


def look_again() -> None:
    prepared._sessions[connection().connection].looked_at = float("-inf")


@pytest.mark.usefixtures("ledger")
def test_own_session_finds_by_index_whatever_the_table_was_when_it_planned() -> None:
    dialect().own_session()
    lives(ENOUGH_TO_KEEP_A_PLAN)
    assert prepared_look_ups() == 2
    grow()
    before = full_reads()
    lives(3)
    assert full_reads() == before


@pytest.mark.usefixtures("ledger")
def test_a_plan_of_a_small_table_is_not_kept_elsewhere() -> None:
    lives(ENOUGH_TO_KEEP_A_PLAN)
    assert prepared_look_ups() == 0

    grow()
    look_again()
    before = full_reads()
    lives(ENOUGH_TO_KEEP_A_PLAN)
    assert prepared_look_ups() == 2
    assert full_reads() == before

    shrink()
    # Planned again for the small table, by the very statements that are prepared.
    lives(ENOUGH_TO_KEEP_A_PLAN)
    look_again()
    lives(1)
    grow()
    look_again()
    before = full_reads()
    lives(ENOUGH_TO_KEEP_A_PLAN)
    assert full_reads() == before
