"""The migrations of dead letters on a ledger that is at work: old rows stay, and a build that died is begun again."""

from __future__ import annotations

from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker

from holdfast import dead_letters
from holdfast.ledger import interventions, transitions
from holdfast.ledger.models import Job
from holdfast.ledger.states import Reason, State
from holdfast.testing.services import PostgresServer
from tests.ledgers import ledger_in
from tests.rows import new_job


def test_index_that_a_killed_migration_left_is_built_anew(
    postgres_server: PostgresServer, django_db_blocker: DjangoDbBlocker
) -> None:
    url = postgres_server.create_database("dead_letters_migration")
    with django_db_blocker.unblock(), ledger_in(url, alias="migrated") as alias:
        (ticket,) = transitions.record([new_job()])
        interventions.bury(ticket.id, reason=Reason.POISON)
        call_command("migrate", "holdfast", "0004_dead_letters", database=alias, verbosity=0)
        with connections[alias].cursor() as cursor:
            cursor.execute("CREATE INDEX holdfast_job_fingerprint ON holdfast_job (queue)")

        call_command("migrate", "holdfast", database=alias, verbosity=0)

        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT indexdef FROM pg_indexes WHERE indexname = 'holdfast_job_fingerprint'"
            )
            ((definition,),) = cursor.fetchall()
        assert "(fingerprint, finished_at)" in definition


def test_dead_letters_of_a_release_that_knew_no_cause_are_grouped_and_replayed(ledger: str) -> None:
    tickets = transitions.record([new_job(task="shop.old") for _ in range(3)])
    for ticket in tickets:
        interventions.bury(ticket.id, reason=Reason.POISON)
    # As the workers of the release before leave them while a deploy goes on.
    Job.objects.using(ledger).update(fingerprint="", reason="", state=State.FAILED)

    (group,) = dead_letters.filter().groups()

    assert (group.fingerprint, group.task, group.reason, group.count) == (
        "",
        "shop.old",
        "error",
        3,
    )
    assert dead_letters.filter(reason="error").count() == 3
    assert dead_letters.filter(reason="retries exhausted").count() == 0
    assert dead_letters.filter(fingerprint="").discard(actor="ada") == 3
