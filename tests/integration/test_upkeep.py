"""The loops that keep the promises, one pass at a time, on a real Redis and both databases."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import override_settings

from holdfast import Celery, events
from holdfast.broker.contents import Contents
from holdfast.broker.messages import BODY, encode
from holdfast.broker.publisher import Publisher
from holdfast.ledger import audit, duty, interventions, transitions, workers
from holdfast.ledger.models import Attempt, Audit, Job, Payload, Result, Worker
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold, NewJob, StoredResult, Ticket
from holdfast.ledger.states import State
from holdfast.testing.services import RedisServer
from holdfast.upkeep.crew import PRUNE_SECONDS, Crew
from holdfast.upkeep.pruner import Pruner
from holdfast.upkeep.pulse import Pulse
from holdfast.upkeep.reconciler import Reconciler
from holdfast.upkeep.relay import Relay
from holdfast.upkeep.rescuer import Rescuer

RESULT = StoredResult(
    status="SUCCESS", result=b"1", content_type="application/json", content_encoding="utf-8"
)


def record(count: int, **more: Any) -> list[Ticket]:
    values: dict[str, Any] = {
        "task": "t",
        "queue": "q",
        "headers": "{}",
        "body": b"[]",
        "content_type": "application/json",
        "content_encoding": "utf-8",
    } | more
    return transitions.record([NewJob(id=str(uuid4()), **values) for _ in range(count)])


def age(ledger: str, *, seconds: float, ids: list[str] | None = None) -> None:
    rows = Job.objects.using(ledger)
    rows = rows if ids is None else rows.filter(id__in=ids)
    rows.update(published_at=Now() - timedelta(seconds=seconds))


def hire() -> UUID:
    worker = uuid4()
    workers.register(
        workers.Incarnation(
            id=worker, name="w", host="h", pid=1, pool="p", concurrency=1, queues=["q"]
        )
    )
    return worker


def on_broker(publisher: Publisher, priority: int = 0) -> list[tuple[str, int]]:
    contents = Contents(publisher, queue="q", priority=priority)
    # Pages overlap; a message that is on the list twice shows in its length.
    return sorted({ticket for page in contents.pages() for ticket in page})


def test_healthy_backlog_is_never_published_twice(
    ledger: str, publisher: Publisher, reconciler: Reconciler
) -> None:
    publisher.publish(record(3000))
    age(ledger, seconds=3600)
    assert reconciler.one_pass() == 0
    assert Contents(publisher, queue="q", priority=0).length() == 3000


def test_wiped_broker_gets_every_queued_job_back_once(
    ledger: str, publisher: Publisher, reconciler: Reconciler
) -> None:
    tickets = record(2500)
    publisher.publish(tickets)
    age(ledger, seconds=60)
    publisher.client().flushall()
    assert reconciler.one_pass() == 2500
    assert Contents(publisher, queue="q", priority=0).length() == 2500
    assert on_broker(publisher) == sorted((t.id, t.token + 1) for t in tickets)
    assert reconciler.one_pass() == 0


def test_loss_that_takes_longer_to_heal_than_the_grace_is_healed_once(
    ledger: str, publisher: Publisher, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets = record(20_000)
    age(ledger, seconds=60)
    # A pass is over after a page of a thousand, and by then these are older than the grace again.
    monkeypatch.setattr("holdfast.upkeep.reconciler.BUDGET_SECONDS", 0.0)
    with override_settings(HOLDFAST={"database": ledger, "grace_seconds": 0.001}):
        passes = [reconciler.one_pass()]
        while reconciler.has_more:
            passes.append(reconciler.one_pass())
        assert passes == [1000] * 20 + [0]
        assert on_broker(publisher) == sorted((t.id, t.token + 1) for t in tickets)


def test_broker_that_goes_away_while_it_is_healed_is_looked_at_anew(
    ledger: str, publisher: Publisher, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(1500)
    age(ledger, seconds=60)
    monkeypatch.setattr("holdfast.upkeep.reconciler.BUDGET_SECONDS", 0.0)
    assert reconciler.one_pass() == 1000
    left = [reconciler.has_more]
    publisher.available = False
    assert reconciler.one_pass() == 0
    assert [*left, reconciler.has_more] == [True, False]


def test_many_lost_jobs_are_told_from_those_that_came_after_the_loss(
    ledger: str, publisher: Publisher, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.upkeep.reconciler.SUSPECTS", 100)
    monkeypatch.setattr("holdfast.upkeep.reconciler.BATCH", 60)
    monkeypatch.setattr("holdfast.upkeep.reconciler.BUDGET_SECONDS", 3600.0)
    lost, late, fresh = record(250), record(5), record(210)
    age(ledger, seconds=600, ids=[t.id for t in (*lost, *late)])
    age(ledger, seconds=20, ids=[t.id for t in fresh])
    # Those recorded long ago are of a transaction that committed after the loss, behind the first page.
    publisher.publish([*fresh, *late])
    assert reconciler.one_pass() == 250
    assert not reconciler.has_more
    again = {(t.id, t.token + 1) for t in lost}
    assert set(on_broker(publisher)) == again | {(t.id, t.token) for t in (*late, *fresh)}
    assert Contents(publisher, queue="q", priority=0).length() == 465
    assert reconciler.one_pass() == 0


def test_ticket_taken_and_never_claimed_is_found_behind_the_head(
    ledger: str, publisher: Publisher, reconciler: Reconciler
) -> None:
    taken, waiting = record(1), record(5)
    publisher.publish(waiting)
    age(ledger, seconds=120, ids=[taken[0].id])
    age(ledger, seconds=20, ids=[t.id for t in waiting])
    assert reconciler.one_pass() == 1
    assert (taken[0].id, taken[0].token + 1) in on_broker(publisher)


def test_job_of_a_transaction_that_committed_late_is_not_taken_for_lost(
    ledger: str, publisher: Publisher, reconciler: Reconciler
) -> None:
    publisher.publish(record(5))
    age(ledger, seconds=20)
    late = record(1)
    publisher.publish(late)
    age(ledger, seconds=600, ids=[late[0].id])
    assert reconciler.one_pass() == 0


def test_messages_that_are_not_ours_at_the_head_do_not_hide_a_loss(
    ledger: str, publisher: Publisher, reconciler: Reconciler
) -> None:
    publisher.client().lpush("q", *['{"headers": {"task": "plain"}}', "no json"] * 150)
    waiting = record(3)
    publisher.publish(waiting)
    age(ledger, seconds=20)
    lost = record(1)
    age(ledger, seconds=600, ids=[lost[0].id])
    assert reconciler.one_pass() == 1


def test_reconciler_says_so_and_comes_again_when_the_broker_goes_away_meanwhile(
    ledger: str, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    record(1)
    age(ledger, seconds=60)
    gone = Publisher(Celery("gone", broker="redis://127.0.0.1:1/0", set_as_current=False))
    assert Reconciler(gone, gone.publish).one_pass() == 0
    assert "went away" in caplog.text


def test_each_priority_has_a_list_of_its_own_and_is_reconciled(
    ledger: str, publisher: Publisher, reconciler: Reconciler
) -> None:
    urgent, plain = record(2, priority=9), record(2)
    publisher.publish([*urgent, *plain])
    age(ledger, seconds=60)
    publisher.client().delete("q\x06\x169")
    assert reconciler.one_pass() == 2
    assert on_broker(publisher, priority=9) == sorted((t.id, t.token + 1) for t in urgent)


def test_relay_publishes_what_is_due_and_sleeps_until_the_next(
    ledger: str, publisher: Publisher
) -> None:
    record(3, delay_seconds=-1.0, hold="eta")
    record(1, delay_seconds=0.3)
    relay = Relay(publisher)
    told: list[int] = []
    events.jobs_published.connect(lambda count, **_: told.append(count), weak=False)
    assert relay.one_pass(duty.look()) == 0.0
    assert told == [3]
    assert 0 < relay.one_pass(duty.look()) <= 0.5
    assert len(on_broker(publisher)) == 3


def test_relay_leaves_rows_alone_while_the_broker_is_away(
    ledger: str, redis_server: RedisServer, publisher: Publisher
) -> None:
    record(2, delay_seconds=-1.0, hold="eta")
    publisher.available = False
    assert Relay(publisher).one_pass(duty.look()) > 0
    assert queries.count_by_state() == {"held": 2}


def test_rescuer_waits_for_a_lease_of_its_own_beats(ledger: str, publisher: Publisher) -> None:
    with override_settings(HOLDFAST={"database": ledger, "lease_seconds": 0.5}):
        gone = hire()
    (ticket,) = record(1)
    transitions.claim([(ticket.id, ticket.token, False)], worker=gone)
    Worker.objects.using(ledger).filter(id=gone).update(lease_until=Now() - timedelta(seconds=60))
    clock = [1000.0]
    pulse = Pulse(monotonic=lambda: clock[0])
    rescuer = Rescuer(pulse, publisher.publish)
    assert rescuer.one_pass() == 0
    with override_settings(HOLDFAST={"database": ledger, "lease_seconds": 0.5}):
        start = datetime.now(UTC)
        for beat in range(5):
            clock[0] = 1000.0 + beat * 0.2
            pulse.beat(start + timedelta(seconds=beat * 0.2))
        assert rescuer.one_pass() == 1
    job = Job.objects.using(ledger).get(id=ticket.id)
    assert (State(job.state), job.losses) == (State.QUEUED, 1)


def test_worker_rescues_though_another_one_that_is_too_young_has_the_duty(
    ledger: str, redis_server: RedisServer
) -> None:
    gone, young, steady = hire(), hire(), hire()
    (ticket,) = record(1)
    transitions.claim([(ticket.id, ticket.token, False)], worker=gone)
    Worker.objects.using(ledger).filter(id=gone).update(lease_until=Now() - timedelta(seconds=60))
    assert workers.take_duty(workers.UPKEEP, young, seconds=60)
    clock = [1000.0]
    pulse = Pulse(monotonic=lambda: clock[0])
    app = Celery("upkeep", broker=redis_server.url, set_as_current=False)
    _, sweep = Crew(app, lambda: steady, pulse).loops
    for _ in range(4):
        clock[0] += 12.0
        pulse.beat(datetime.now(UTC) + timedelta(seconds=clock[0] - 1048.0))
    sweep.one_pass()
    job = Job.objects.using(ledger).get(id=ticket.id)
    assert (State(job.state), job.losses) == (State.QUEUED, 1)
    assert not workers.take_duty(workers.UPKEEP, steady, seconds=60)


def test_sweep_that_wakes_at_once_knows_of_the_duty(ledger: str, redis_server: RedisServer) -> None:
    worker = hire()
    app = Celery("upkeep", broker=redis_server.url, set_as_current=False)
    crew = Crew(app, lambda: worker, Pulse())
    relay, sweep = crew.loops
    pauses: list[float] = []
    with mock.patch.object(sweep, "wake", side_effect=lambda: pauses.append(sweep.one_pass())):
        relay.one_pass()
    assert pauses
    assert max(pauses) <= PRUNE_SECONDS


def test_worker_that_cannot_give_its_duty_back_stops_all_the_same(
    ledger: str, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    worker = hire()
    app = Celery("upkeep", broker=redis_server.url, set_as_current=False)
    crew = Crew(app, lambda: worker, Pulse())
    relay, _ = crew.loops
    relay.one_pass()
    assert not workers.take_duty(workers.UPKEEP, hire(), seconds=60)
    away = OperationalError("the server closed the connection")
    with mock.patch.object(workers, "leave_duty", side_effect=away) as asked:
        crew.stop(seconds=1)
    asked.assert_called_once_with(workers.UPKEEP, worker)
    assert "The duty is not given back" in caplog.text


def test_job_lost_while_it_waited_behind_others_is_not_charged_but_claimed_alone_from_then_on(
    ledger: str,
) -> None:
    worker = hire()
    (ticket,) = record(1)
    (job,) = transitions.claim([(ticket.id, ticket.token, True)], worker=worker).claimed
    again = transitions.lose(Hold(job.id, job.token, worker), cause="killed", ahead=True)
    assert again is not None
    row = Job.objects.using(ledger).get(id=ticket.id)
    assert (row.losses, row.suspect) == (0, True)
    assert not transitions.claim([(again.id, again.token, True)], worker=worker).claimed
    assert transitions.claim([(again.id, again.token, False)], worker=worker).claimed


def test_poison_is_dead_after_three_losses(ledger: str) -> None:
    worker = hire()
    ticket: Ticket | None = record(1)[0]
    for _ in range(3):
        assert ticket is not None
        (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
        ticket = transitions.lose(Hold(job.id, job.token, worker), cause="killed")
    assert ticket is None
    row = Job.objects.using(ledger).get()
    assert (State(row.state), row.reason, row.losses) == (State.DEAD, "poison", 3)
    assert Attempt.objects.using(ledger).filter(outcome="lost").count() == 3


def test_pruner_forgets_interventions_after_their_time(ledger: str) -> None:
    for actor in ("ada", "bob"):
        audit.note("replay", actor=actor)
    Audit.objects.using(ledger).filter(actor="ada").update(at=Now() - timedelta(days=91))
    Pruner(results_kept_seconds=None).one_pass()
    assert [line.actor for line in audit.lines()] == ["bob"]


def test_pruner_deletes_what_is_over_and_keeps_dead_letters(ledger: str) -> None:
    worker = hire()
    for outcome in ("succeed", "fail", "open"):
        (ticket,) = record(1)
        (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
        hold = Hold(job.id, job.token, worker)
        if outcome == "succeed":
            transitions.succeed(hold, stored=RESULT)
        elif outcome == "fail":
            transitions.fail(hold, stored=RESULT, error="e")
    week_ago = Now() - timedelta(days=7)
    Job.objects.using(ledger).filter(finished_at__isnull=False).update(finished_at=week_ago)
    interventions.store_bare("bare", RESULT, failed=False)
    Result.objects.using(ledger).filter(bare=True).update(stored_at=week_ago)
    assert Pruner(results_kept_seconds=86400).one_pass() == 1
    left = sorted(State(s).name for s in Job.objects.using(ledger).values_list("state", flat=True))
    assert left == ["FAILED", "RUNNING"]
    assert Payload.objects.using(ledger).count() == 2
    assert Result.objects.using(ledger).count() == 1
    Job.objects.using(ledger).update(finished_at=Now() - timedelta(days=40))
    Pruner(results_kept_seconds=86400).one_pass()
    assert Job.objects.using(ledger).count() == 1
    assert not Attempt.objects.using(ledger).exists()


def test_message_carries_no_body_and_a_forged_one_claims_nothing(ledger: str) -> None:
    worker = hire()
    (ticket,) = record(1)
    message = encode(ticket)
    assert ticket.id in message
    assert f'"body":"{b64encode(BODY.encode()).decode()}"' in message
    assert not transitions.claim([(ticket.id, ticket.token + 1, False)], worker=worker).claimed
    assert not transitions.claim([("forged", 1, False)], worker=worker).claimed
