"""Pauses of queues and tasks: what is refused, held and woken, and that nothing begins after pause() has returned."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from pytest_django import DjangoDbBlocker

import holdfast
from holdfast.ledger import interventions, pauses, publishing, transitions
from holdfast.ledger.database import dialect
from holdfast.ledger.dialects import postgres
from holdfast.ledger.dialects.postgres import CLAIM_MARK
from holdfast.ledger.limiting import limits
from holdfast.ledger.models import Audit, Job
from holdfast.ledger.models.pauses import Shelved
from holdfast.ledger.records import Refusal, Ticket, Use
from holdfast.ledger.states import State
from holdfast.testing.services import PostgresServer
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.ledgers import ledger_in
from tests.rows import hire, new_job


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def record(**more: Any) -> Ticket:
    (ticket,) = transitions.record([new_job(**more)])
    return ticket


def claim(worker: UUID, *tickets: Ticket) -> dict[str, str]:
    """Return what became of each ticket, and hold those of a pause."""
    batch = transitions.claim([(t.id, t.token, False) for t in tickets], worker=worker)
    refused = {id: why.value for id, why in batch.refused.items()}
    pauses.shelve((t.id, t.token) for t in tickets if batch.refused.get(t.id) == Refusal.PAUSED)
    return refused | {job.id: "claimed" for job in batch.claimed}


def holds(*tickets: Ticket) -> list[str]:
    rows = {job.id: f"{State(job.state).name} {job.hold}" for job in Job.objects.using("ledger")}
    return [rows[ticket.id] for ticket in tickets]


@pytest.mark.parametrize("what", ["queue", "task"])
def test_nothing_of_what_is_paused_is_claimed_and_all_else_is(worker: UUID, what: str) -> None:
    paused = record(queue="mail", task="send")
    other = record(queue="reports", task="render")
    assert holdfast.pause(**{what: {"queue": "mail", "task": "send"}[what]}, actor="ada")
    assert claim(worker, paused, other) == {paused.id: "paused", other.id: "claimed"}
    assert holds(paused) == ["HELD pause"]
    assert publishing.publish_due(limit=10) == []

    assert holdfast.resume(**{what: {"queue": "mail", "task": "send"}[what]}, actor="ada")
    (again,) = eventually(lambda: publishing.publish_due(limit=10), told="it is due")
    assert again.token > paused.token
    assert claim(worker, again) == {paused.id: "claimed"}
    assert not Shelved.objects.using("ledger").exists()
    assert [line.action for line in Audit.objects.using("ledger").order_by("id")] == [
        "pause",
        "resume",
    ]


def test_what_is_paused_twice_over_waits_for_both(worker: UUID) -> None:
    ticket = record(queue="mail", task="send")
    holdfast.pause(queue="mail")
    holdfast.pause(task="send")
    claim(worker, ticket)
    holdfast.resume(queue="mail")
    assert holds(ticket) == ["HELD pause"]
    holdfast.resume(task="send")
    assert holds(ticket) == ["HELD relay"]


def test_only_what_was_resumed_is_woken_in_batches(worker: UUID) -> None:
    holdfast.pause(queue="stays")
    holdfast.pause(queue="goes")
    tickets = [record(queue=queue) for queue in ("stays", "goes") for _ in range(3)]
    claim(worker, *tickets)
    pauses.resume("queue", "goes", actor="")
    assert [pauses.wake(limit=2), pauses.wake(limit=2), pauses.wake(limit=2)] == [2, 1, 0]
    assert holds(*tickets) == ["HELD pause"] * 3 + ["HELD relay"] * 3


def test_job_that_is_cancelled_or_shelved_too_late_is_no_trouble(worker: UUID) -> None:
    holdfast.pause(queue="mail")
    cancelled, late = record(queue="mail"), record(queue="mail")
    claim(worker, cancelled)
    interventions.cancel([cancelled.id], running=False)
    assert holdfast.resume(queue="mail")
    # A worker was refused before the resume, and holds the job after it.
    assert pauses.shelve([(late.id, late.token)]) == 1
    assert pauses.shelve([(late.id, late.token)]) == 0
    assert pauses.wake(limit=10) == 1
    assert holds(cancelled, late) == ["CANCELLED ", "HELD relay"]


def test_limited_job_frees_its_place_while_it_is_paused(worker: UUID) -> None:
    from tests.limited import admit, bound, wait

    bound(concurrency=1)
    wait("a", queue="mail")
    wait("b", queue="reports")
    holdfast.pause(queue="mail")
    assert admit() == ["a"]
    token = Job.objects.using("ledger").get(id="a").token
    claim(worker, Ticket("a", token, "t", "mail", 0))
    assert admit() == ["b"]
    holdfast.resume(queue="mail")
    eventually(lambda: limits.line_up_due(limit=10) == 1, told="it is due")
    assert holds(Ticket("a", 0, "", "", 0)) == ["HELD limit"]
    assert Use("l").weight == 1


def test_pause_is_listed_and_one_that_is_none_is_told(worker: UUID) -> None:
    out = StringIO()
    call_command("holdfast", "pause", "--queue", "mail", "--reason", "down", stdout=out)
    call_command("holdfast", "pause", "--queue", "mail", stdout=out)
    call_command("holdfast", "pause", stdout=out)
    call_command("holdfast", "resume", "--queue", "mail", stdout=out)
    call_command("holdfast", "resume", "--queue", "mail", stdout=out)
    said = out.getvalue()
    assert "queue mail is paused" in said
    assert "was paused before" in said
    assert "down" in said
    assert "goes on" in said
    assert "was not paused" in said
    with pytest.raises(CommandError, match="What"):
        call_command("holdfast", "resume")
    with pytest.raises(ValueError, match="one of the three"):
        holdfast.pause()


def test_every_claim_on_postgres_shows_that_it_is_one() -> None:
    for claim in (postgres._CLAIM, postgres._CLAIM_UNLOCKED):
        assert claim.lstrip().startswith(CLAIM_MARK)


def test_pause_waits_for_a_claim_that_began_before_it(
    postgres_server: PostgresServer, django_db_blocker: DjangoDbBlocker
) -> None:
    with (
        django_db_blocker.unblock(),
        ledger_in(postgres_server.create_database("pauses"), alias="pauses") as alias,
    ):
        over = threading.Event()

        def claim_slowly() -> None:
            try:
                with connections[alias].cursor() as cursor:
                    cursor.execute(
                        f"{CLAIM_MARK} slow AS (SELECT pg_advisory_lock(1)) SELECT * FROM slow"
                    )
                over.set()
            finally:
                connections[alias].close()

        with psycopg.connect(postgres_server.url("pauses"), autocommit=True) as holder:
            holder.execute("SELECT pg_advisory_lock(1)")
            claiming = threading.Thread(target=claim_slowly)
            claiming.start()
            eventually(lambda: dialect().claims_under_way_since(dialect().now()) == 1)
            with transaction.atomic(using=alias):
                holdfast.pause(queue="mail")
                assert not over.is_set()
                threading.Timer(0.3, holder.execute, ["SELECT pg_advisory_unlock(1)"]).start()
            assert over.is_set()
            claiming.join()


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.short_on("sqlite-prefork", "postgres-threads")
def test_no_attempt_begins_after_pause_has_returned_under_load(site: Site, pool: str) -> None:
    site.worker(pool=pool, concurrency=2, queues="celery,other")
    site.worker(pool=pool, concurrency=2, queues="celery,other")
    # They last long enough for some to be left however late this process comes to pause them.
    site.task("effect").apply_many([("x", 0.05)] * 200)
    eventually(lambda: site.counts().get("succeeded", 0) > 30, told="many are done")

    holdfast.pause(queue="celery")
    moment = dialect().now()

    # Others go on, and all that was on the broker has come to a worker and was refused.
    site.task("add").apply_async((1, 1), queue="other").get(timeout=60)
    eventually(lambda: site.counts(state=State.QUEUED) == {}, told="the rest is held")
    site.task("noop").delay()
    begun = [job.started_at for job in site.jobs(queue="celery").values() if job.started_at]
    assert begun
    assert max(begun) <= moment
    assert len(site.jobs(hold="pause")) > 0

    assert holdfast.resume(queue="celery")
    assert set(site.wait_all_final().values()) == {"succeeded"}
    assert {job.attempts for job in site.jobs().values()} == {1}


_DIES_BEFORE_IT_WAKES = """
import os, signal
import holdfast
from holdfast.ledger import pauses
pauses.wake = lambda **_: os.kill(os.getpid(), signal.SIGKILL)
holdfast.resume(queue="celery", actor="ada")
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.short_on("postgres")
def test_killed_worker_and_killed_resume_leave_no_paused_job_behind(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request) as site:
        first = site.worker(pool="threads", concurrency=2)
        holdfast.pause(queue="celery", actor="ada")
        sent = [site.task("noop").delay().id for _ in range(20)]
        eventually(lambda: len(site.jobs(hold="pause")) == 20)
        first.kill()
        resuming = site.process(_DIES_BEFORE_IT_WAKES)
        assert resuming.wait() == -signal.SIGKILL, resuming.log_tail()
        assert len(site.jobs(hold="pause")) == 20
        site.worker(pool="threads", concurrency=2)
        states = site.wait_all_final()
        assert states == dict.fromkeys(sent, "succeeded")
        assert {job.attempts for job in site.jobs().values()} == {1}
