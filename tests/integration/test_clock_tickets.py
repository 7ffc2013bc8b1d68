"""The database's clock was set back by an hour: lost tickets are found, and nothing waits for it to pass again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from holdfast import Celery
from holdfast.broker.contents import Contents
from holdfast.broker.publisher import Publisher
from holdfast.ledger import pauses, publishing, snoozing, transitions
from holdfast.ledger.models import Job
from holdfast.ledger.models.unique import UniqueKey
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold, Ticket, UniqueRequest
from holdfast.ledger.states import Conflict, Scope, State
from holdfast.testing.services import RedisServer
from holdfast.upkeep.crew import Crew
from holdfast.upkeep.pulse import Pulse
from holdfast.upkeep.reconciler import Reconciler
from tests.clocks import HOUR, set_back
from tests.rows import hire, new_job


def record(count: int, **more: Any) -> list[Ticket]:
    return transitions.record([new_job(**more) for _ in range(count)])


def age(ledger: str, tickets: list[Ticket], *, seconds: float) -> None:
    rows = Job.objects.using(ledger).filter(id__in=[ticket.id for ticket in tickets])
    rows.update(published_at=Now() - timedelta(seconds=seconds))


def on_broker(publisher: Publisher) -> set[tuple[str, int]]:
    return {
        ticket for page in Contents(publisher, queue="q", priority=0).pages() for ticket in page
    }


def again(tickets: list[Ticket]) -> set[tuple[str, int]]:
    return {(ticket.id, ticket.token + 1) for ticket in tickets}


def test_wiped_broker_gets_back_what_was_published_before_and_after(
    ledger: str, publisher: Publisher, reconciler: Reconciler
) -> None:
    before, after = record(30), record(20)
    set_back(ledger)
    age(ledger, after, seconds=20)
    assert reconciler.one_pass() == 50
    assert on_broker(publisher) == again(before + after)
    # Their times are of now.
    assert reconciler.one_pass() == 0


def test_more_than_a_page_that_was_lost_is_published_again_once(
    ledger: str, publisher: Publisher, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SUSPECTS": 50, "BATCH": 20, "BUDGET_SECONDS": 0.0}.items():
        monkeypatch.setattr(f"holdfast.upkeep.reconciler.{name}", value)
    lost, there, after = record(110), record(7), record(30)
    age(ledger, lost, seconds=90)
    age(ledger, there, seconds=60)
    set_back(ledger)
    age(ledger, after, seconds=60)
    publisher.publish(there)
    passes = [reconciler.one_pass()]
    while reconciler.has_more or passes[-1]:
        passes.append(reconciler.one_pass())
        assert len(passes) < 30
    assert sum(passes) == 140
    assert on_broker(publisher) == again(lost + after) | {(t.id, t.token) for t in there}


def test_healthy_backlog_is_not_doubled(
    ledger: str, publisher: Publisher, reconciler: Reconciler
) -> None:
    before, after = record(300), record(200)
    age(ledger, before[:100], seconds=60)
    set_back(ledger)
    age(ledger, after, seconds=20)
    publisher.publish([*before, *after])
    assert reconciler.one_pass() == 0
    assert Contents(publisher, queue="q", priority=0).length() == 500


def test_ticket_lost_from_among_others_is_found_on_either_side_of_the_head(
    ledger: str, publisher: Publisher, reconciler: Reconciler
) -> None:
    before, after = record(40), record(20)
    age(ledger, before[:10], seconds=60)
    age(ledger, before[10:], seconds=30)
    set_back(ledger)
    age(ledger, after, seconds=20)
    # Older than the head, which is of the clock before.
    publisher.publish([*before[10:], *after])
    assert reconciler.one_pass() == 10
    # All of that clock are older than a head of the clock after it.
    publisher.client().flushall()
    publisher.publish(after)
    assert reconciler.one_pass() == 30
    assert on_broker(publisher) == again(before[10:]) | {(t.id, t.token) for t in after}


def test_jobs_are_overtaken_by_jobs_of_their_own_clock_only(ledger: str) -> None:
    grace = timedelta(seconds=10)
    runs, early, late = record(1), record(5), record(5)
    age(ledger, early, seconds=60)
    set_back(ledger)
    age(ledger, late, seconds=60)
    worker = hire()
    transitions.claim([(t.id, t.token, False) for t in runs], worker=worker)
    place: dict[str, Any] = {"by": grace, "limit": 100}
    now = datetime.now(UTC)
    past = queries.overtaken("q", 0, since=None, before=now - grace, **place)
    ahead = queries.overtaken("q", 0, since=now + grace, before=None, **place)
    # One that runs and was published before the clock was set is no later than those published since.
    assert past == []
    assert {t.id for t in ahead} == {t.id for t in early}


def claimed(worker: Any, **more: Any) -> Hold:
    (ticket,) = record(1, **more)
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    return Hold(job.id, job.token, worker)


def test_what_is_held_for_a_time_waits_for_that_time_and_not_for_the_hour(ledger: str) -> None:
    worker = hire()
    retried, snoozed, until = (claimed(worker) for _ in range(3))
    transitions.retry(
        retried, job=new_job(retried.id, delay_seconds=20.0), stored=None, error="away"
    )
    snoozing.snooze(snoozed, delay=timedelta(seconds=50))
    named = datetime.now(UTC) + timedelta(seconds=90)
    snoozing.snooze(until, until=named)
    record(1, id="countdown", delay_seconds=30.0)
    record(1, id="eta", due_at=named)
    publishing.recall(record(1, id="recalled"), delay=timedelta(seconds=1))
    (shelved,) = record(1, id="paused")
    pauses.pause("queue", "q", actor="", reason="")
    pauses.shelve([(shelved.id, shelved.token)])
    pauses.resume("queue", "q", actor="")
    pauses.wake(limit=10)
    set_back(ledger)

    assert publishing.end_long_waits(limit=100) == 5
    assert publishing.end_long_waits(limit=100) == 0

    now = datetime.now(UTC)
    rows = Job.objects.using(ledger).filter(state=State.HELD)
    waits = {row.id: (row.due_at - now).total_seconds() for row in rows if row.due_at}
    expected = {
        retried.id: 20.0,
        snoozed.id: 50.0,
        "countdown": 30.0,
        "recalled": 1.0,
        "paused": 0.0,
        # A moment that somebody named is that moment.
        until.id: 3690.0,
        "eta": 3690.0,
    }
    assert waits == pytest.approx(expected, abs=10)


def test_worker_with_the_duty_ends_long_waits_when_it_sees_the_clock_set_back(
    ledger: str, redis_server: RedisServer
) -> None:
    worker = hire()
    record(1, id="countdown", delay_seconds=30.0)
    clock = [1000.0]
    pulse = Pulse(monotonic=lambda: clock[0])
    app = Celery("clocks", broker=redis_server.url, set_as_current=False)
    relay, sweep = Crew(app, lambda: worker, pulse, monotonic=lambda: clock[0]).loops
    pulse.beat(datetime.now(UTC) + HOUR)
    relay.one_pass()
    sweep.one_pass()
    set_back(ledger)
    far = Job.objects.using(ledger).get().due_at

    clock[0] += 12.0
    pulse.beat(datetime.now(UTC) + timedelta(seconds=12))
    sweep.one_pass()

    due = Job.objects.using(ledger).get().due_at
    assert far is not None
    assert due is not None
    assert far - due > timedelta(minutes=50)
    assert not pulse.was_set_back
    app.outbox.publisher.close()


def unique_call(period: float) -> tuple[list[Ticket], str | None]:
    request = UniqueRequest(
        key="k", scope=Scope.PERIOD, conflict=Conflict.EXISTING, period_seconds=period
    )
    return transitions.record([new_job(unique=request)]), request.job


def test_key_of_a_period_is_taken_for_its_period_and_not_for_the_hour(ledger: str) -> None:
    (first,), _ = unique_call(60.0)
    set_back(ledger)

    assert unique_call(60.0) == ([], first.id)
    row = UniqueKey.objects.using(ledger).get()
    now = datetime.now(UTC)
    assert row.until is not None
    assert 50 < (row.until - now).total_seconds() <= 60
    assert abs((row.given_at - now).total_seconds()) < 10
    # Asked again it is what it is.
    unique_call(60.0)
    assert UniqueKey.objects.using(ledger).get().until == row.until
