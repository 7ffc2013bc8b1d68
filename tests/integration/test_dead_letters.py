"""Dead letters selected, grouped, replayed, edited and discarded, on both databases."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

import holdfast
from holdfast import Celery, dead_letters
from holdfast.exceptions import SelectionRefused
from holdfast.ledger import audit, interventions, transitions
from holdfast.ledger.models import Attempt, Job, Payload, Result
from holdfast.ledger.reads import letters, queries
from holdfast.ledger.records import Hold, Ticket
from holdfast.ledger.states import Reason, State
from holdfast.testing.services import RedisServer
from tests.rows import FAILURE, hire, new_job
from tests.surroundings import current_app, shop_app


@pytest.fixture
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    """An app whose broker is there and empty."""
    with shop_app(redis_server.url, number=14) as app:
        yield app


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def fail(worker: UUID, *, error: str = "ValueError('x')", **more: Any) -> str:
    """Record a job and let it fail; return its id."""
    (ticket,) = transitions.record([new_job(**more)])
    return fail_again(worker, ticket, error=error)


def fail_again(worker: UUID, ticket: Ticket, *, error: str = "ValueError('x')") -> str:
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    assert transitions.fail(Hold(job.id, job.token, worker), stored=FAILURE, error=error)
    return ticket.id


def bury(reason: str, **more: Any) -> str:
    (ticket,) = transitions.record([new_job(**more)])
    assert interventions.bury(ticket.id, reason=reason)
    return ticket.id


def state_of(ledger: str, id: str) -> State:
    return State(Job.objects.using(ledger).get(id=id).state)


def tickets_on(app: Celery, queue: str = "q") -> list[tuple[str, int]]:
    found = app.outbox.publisher.client().lrange(queue, 0, -1)
    headers = [json.loads(message)["headers"] for message in found]
    return [(header["id"], header["holdfast"]["token"]) for header in headers]


# -- selecting ----------------------------------------------------------------------------------------


def test_each_filter_selects_by_what_it_says(app: Celery, worker: UUID) -> None:
    slow = fail(worker, task="shop.charge", error="Timeout('Gateway TIMED out')")
    other = fail(worker, task="shop.refund", queue="urgent", error="KeyError('a')")
    unknown = bury(Reason.UNKNOWN_TASK, task="shop.gone")
    transitions.record([new_job(task="shop.charge")])

    def ids(**wanted: Any) -> set[str]:
        return {letter.id for letter in dead_letters.filter(**wanted)}

    prints = {letter.id: letter.fingerprint for letter in dead_letters.filter()}
    assert set(prints) == {slow, other, unknown}
    assert ids(task="shop.charge") == {slow}
    assert ids(queue="urgent") == {other}
    assert ids(reason="unknown task") == {unknown}
    assert ids(reason="error") == {slow, other}
    assert ids(error="timed out") == {slow}
    assert ids(fingerprint=prints[other]) == {other}
    assert ids(ids=[slow, unknown, "not there"]) == {slow, unknown}
    assert ids(ids=[]) == set()
    assert ids(task="shop.charge", reason="unknown task") == set()
    now = timezone.now()
    assert ids(since=now - timedelta(minutes=1)) == {slow, other, unknown}
    assert ids(since=now + timedelta(minutes=1)) == set()
    assert ids(until=now - timedelta(minutes=1)) == set()


def test_error_is_that_of_the_last_attempt(app: Celery, worker: UUID) -> None:
    job = fail(worker, error="ValueError('first')")
    (ticket,) = interventions.replay_many({job: _token(job)}, actor="ada")
    fail_again(worker, ticket, error="ValueError('second')")

    assert dead_letters.filter(error="first").count() == 0
    (letter,) = dead_letters.filter(error="second")
    assert (letter.error, letter.attempts) == ("ValueError('second')", 2)


def test_slips_in_a_selection_are_told() -> None:
    with pytest.raises(SelectionRefused, match="did you mean 'poison'"):
        dead_letters.filter(reason="poisson")
    with pytest.raises(SelectionRefused, match="has no time zone"):
        dead_letters.filter(since=datetime(2026, 1, 1))  # noqa: DTZ001  # the slip


def test_walk_sees_every_one_of_many_that_ended_at_once(
    ledger: str, app: Celery, worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "BATCH", 3)
    monkeypatch.setattr(dead_letters, "FIRST_LOOK", 2)
    made = [bury(Reason.POISON) for _ in range(20)]
    _end_at_once(ledger, made[5:])

    found = [letter.id for letter in dead_letters.filter()]

    assert sorted(found) == sorted(made)


def test_groups_say_what_failed_alike(app: Celery, worker: UUID) -> None:
    alike = [fail(worker, task="shop.charge", error=f"ValueError('{n}')") for n in range(3)]
    fail(worker, task="shop.charge", error="KeyError('a')")
    bury(Reason.UNKNOWN_TASK, task="shop.gone")

    groups = dead_letters.filter().groups()

    assert (groups[0].task, groups[0].reason, groups[0].count) == ("shop.charge", "error", 3)
    assert {(g.task, g.reason, g.count) for g in groups[1:]} == {
        ("shop.charge", "error", 1),
        ("shop.gone", "unknown task", 1),
    }
    assert groups[0].error in {f"ValueError('{n}')" for n in range(3)}
    assert groups[0].first <= groups[0].last
    assert {x.id for x in dead_letters.filter(fingerprint=groups[0].fingerprint)} == set(alike)


def test_secrets_are_starred_and_the_sender_may_hide_more(app: Celery, worker: UUID) -> None:
    charge = app.tasks["shop.charge"]
    plain = charge.delay("4242", 7, api_token="hush")
    nested = charge.delay({"password": "hush", "of": (1, 2)}, 7)
    described = charge.apply_async(("4242", 7), argsrepr="(a card, 7)", kwargsrepr="{}")
    told = charge.apply_async(("a", 7), {"api_token": "hush"}, kwargsrepr="token 'hush'")
    for sent in (plain, nested, described, told):
        assert interventions.bury(sent.id, reason=Reason.POISON)

    shown = {letter.id: letter for letter in dead_letters.filter()}

    stars = "********************"
    assert (shown[plain.id].args, shown[plain.id].kwargs) == (["4242", 7], {"api_token": stars})
    assert shown[nested.id].args == [{"password": stars, "of": [1, 2]}, 7]
    assert (shown[nested.id].hidden, shown[plain.id].hidden) == ("", "")
    assert (shown[described.id].args, shown[described.id].kwargs) == ("(a card, 7)", {})
    assert shown[described.id].hidden == "as its sender describes it"
    assert shown[told.id].kwargs == {"api_token": stars}
    assert "hush" not in str(list(shown.values()))


def test_positional_arguments_are_starred_by_the_names_of_their_places(app: Celery) -> None:
    sent = app.tasks["shop.charge"].delay("4242", 7, "hush")
    interventions.bury(sent.id, reason=Reason.POISON)
    (letter,) = dead_letters.filter()
    assert letter.args == ["4242", 7, "********************"]


def test_body_that_cannot_be_read_is_told_in_words(app: Celery) -> None:
    bury(Reason.UNDECODABLE, body=b"\xff{", content_type="application/json")
    bury(Reason.UNDECODABLE, body=b"cos", content_type="application/x-python-serialize")
    for letter in dead_letters.filter():
        assert letter.args is None
        assert letter.hidden.startswith("cannot be decoded here")


# -- moving -------------------------------------------------------------------------------------------


def test_replay_puts_all_back_once_and_publishes_them(
    ledger: str, app: Celery, worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "BATCH", 4)
    made = [fail(worker, task="shop.charge") for _ in range(10)]
    left = fail(worker, task="shop.refund")
    _end_at_once(ledger, made)

    chosen = dead_letters.filter(task="shop.charge")
    assert chosen.replay(actor="ada") == 10
    assert chosen.replay(actor="ada") == 0

    jobs = {job.id: job for job in Job.objects.using(ledger).filter(id__in=made)}
    assert {(State(j.state), j.failures, j.reason, j.fingerprint) for j in jobs.values()} == {
        (State.QUEUED, 0, "", "")
    }
    assert sorted(tickets_on(app)) == sorted((job.id, job.token) for job in jobs.values())
    assert state_of(ledger, left) == State.FAILED
    assert not Result.objects.using(ledger).filter(id__in=made).exists()
    assert Attempt.objects.using(ledger).filter(job__in=made).count() == 10, "the past is kept"
    said = audit.lines()
    assert [(line.action, line.actor) for line in said] == [("replay", "ada")] * 3
    assert sum(line.count or 0 for line in said) == 10
    assert json.loads(said[0].detail) == {"selected": {"task": "shop.charge"}}


def test_limit_takes_those_that_ended_first(ledger: str, app: Celery, worker: UUID) -> None:
    made = [fail(worker) for _ in range(5)]
    assert dead_letters.filter().replay(actor="ada", limit=2) == 2
    assert [state_of(ledger, id) for id in made[:3]] == [State.QUEUED, State.QUEUED, State.FAILED]
    assert dead_letters.filter().discard(actor="ada", limit=1) == 1
    assert state_of(ledger, made[2]) == State.CANCELLED


def test_job_that_fails_again_meanwhile_is_not_replayed_twice_by_one_call(
    ledger: str, app: Celery, worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "BATCH", 1)
    made = [fail(worker) for _ in range(3)]

    def run_at_once(tickets: list[Ticket]) -> None:
        for ticket in tickets:
            fail_again(worker, ticket)

    monkeypatch.setattr(app.outbox, "publish", run_at_once)
    assert dead_letters.filter().replay(actor="ada") == 3
    assert {job.attempts for job in Job.objects.using(ledger).filter(id__in=made)} == {2}


def test_somebody_elses_replay_in_between_is_respected(
    ledger: str, app: Celery, worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [fail(worker) for _ in range(3)]
    both = letters.tokens

    def and_then_somebody_else(*args: Any, **kwargs: Any) -> Any:
        seen = both(*args, **kwargs)
        if made[1] in seen[0]:
            ticket = interventions.replay(made[1])
            assert ticket is not None
            fail_again(worker, ticket)
        return seen

    monkeypatch.setattr(letters, "tokens", and_then_somebody_else)
    assert dead_letters.filter().replay(actor="ada") == 2
    assert state_of(ledger, made[1]) == State.FAILED, "it failed anew, which nobody has seen yet"


def test_replay_in_a_transaction_that_rolls_back_replays_nothing(
    ledger: str, app: Celery, worker: UUID
) -> None:
    made = fail(worker)
    with transaction.atomic(using=ledger):
        assert dead_letters.filter().replay(actor="ada") == 1
        transaction.set_rollback(True, using=ledger)
    assert state_of(ledger, made) == State.FAILED
    assert not tickets_on(app)
    assert not audit.lines(), "the line is in the transaction of what it is about"


def test_replay_without_a_broker_leaves_the_jobs_to_the_relay(
    ledger: str, app: Celery, worker: UUID
) -> None:
    made = [fail(worker) for _ in range(3)]
    with current_app("redis://127.0.0.1:1/0"):
        assert dead_letters.filter().replay(actor="ada") == 3
    rows = Job.objects.using(ledger).filter(id__in=made)
    assert set(rows.values_list("state", "hold")) == {(State.HELD, "relay")}


def test_replay_begins_the_retries_anew(ledger: str, app: Celery, worker: UUID) -> None:
    headers = '{"retries": 3, "shadow": "s"}'
    many = [fail(worker, headers=headers), fail(worker)]
    alone = fail(worker, headers=headers)
    assert dead_letters.filter(ids=many).replay(actor="ada") == 2
    holdfast.replay(alone)
    for id in (many[0], alone):
        assert json.loads(Payload.objects.using(ledger).get(job=id).headers) == {"shadow": "s"}


def test_discarded_job_is_cancelled_and_comes_back_by_a_replay(
    ledger: str, app: Celery, worker: UUID
) -> None:
    made = fail(worker)
    assert dead_letters.filter().discard(actor="ada") == 1
    assert dead_letters.filter().count() == 0
    row = Job.objects.using(ledger).get(id=made)
    assert (State(row.state), row.reason) == (State.CANCELLED, "discarded")
    assert row.finished_at is not None
    assert timezone.now() - row.finished_at < timedelta(minutes=1), "its retention begins now"
    (line,) = audit.lines(job=made)
    assert (line.action, line.count) == ("discard", 1)
    holdfast.replay(made)
    assert state_of(ledger, made) == State.QUEUED


def test_job_whose_waiters_have_not_been_told_is_not_discarded(ledger: str, app: Celery) -> None:
    waited_for = bury(Reason.UNKNOWN_TASK, linked=True)
    assert dead_letters.filter().discard(actor="ada") == 0
    assert interventions.settle(waited_for)
    assert dead_letters.filter().discard(actor="ada") == 1


def test_edited_arguments_are_what_the_job_is_called_with_and_the_old_ones_are_kept(
    ledger: str, app: Celery
) -> None:
    sent = app.tasks["shop.charge"].apply_async(("4242", 7), compression="gzip")
    interventions.bury(sent.id, reason=Reason.POISON)
    before = Payload.objects.using(ledger).get(job=sent.id)

    chosen = dead_letters.filter(ids=[sent.id])
    assert chosen.replay(actor="ada", args=["4242", 8]) == 1

    assert state_of(ledger, sent.id) == State.QUEUED
    interventions.bury(sent.id, reason=Reason.POISON)
    (letter,) = chosen
    assert (letter.args, letter.kwargs, letter.hidden) == (["4242", 8], {}, "")
    replay, edit = audit.lines(job=sent.id)
    assert (replay.action, edit.action, edit.actor) == ("replay", "edit", "ada")
    kept = json.loads(edit.detail)["before"]
    assert kept["headers"] == before.headers
    assert b64decode(kept["body"]) == bytes(before.body)


def test_edit_that_does_not_fit_changes_nothing(ledger: str, app: Celery) -> None:
    sent = [app.tasks["shop.charge"].delay("4242", n) for n in range(2)]
    for job in sent:
        interventions.bury(job.id, reason=Reason.POISON)
    one = dead_letters.filter(ids=[sent[0].id])
    with pytest.raises(SelectionRefused, match="2 are selected"):
        dead_letters.filter().replay(actor="ada", args=["a", 1])
    with pytest.raises(SelectionRefused, match="unexpected keyword argument 'amont'"):
        one.replay(actor="ada", kwargs={"amont": 1})
    with pytest.raises(SelectionRefused, match="cannot write them"):
        one.replay(actor="ada", args=["a", object()])
    assert dead_letters.filter().count() == 2
    assert not audit.lines()


def test_what_people_do_to_one_job_is_in_the_audit(ledger: str, app: Celery, worker: UUID) -> None:
    (ticket,) = transitions.record([new_job()])
    holdfast.cancel(ticket.id, actor="bob")
    holdfast.replay(ticket.id, actor="ada")
    app.control.revoke(ticket.id)
    said = [(line.action, line.actor) for line in audit.lines(job=ticket.id)]
    assert said == [("replay", "ada"), ("cancel", "bob")]


def _token(id: str) -> int:
    found = queries.state_of(id)
    assert found is not None
    return found[1]


def _end_at_once(ledger: str, ids: list[str]) -> None:
    """Stamp jobs with one time, as one statement about many does."""
    Job.objects.using(ledger).filter(id__in=ids).update(finished_at=Now())
