"""Limited jobs that are let in by the statement that records them: how few statements, and what others do meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from celery import shared_task
from django.db import connections, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

import holdfast
from holdfast import Limit, Unique
from holdfast.dispatch import limiting
from holdfast.ledger import transitions
from holdfast.ledger.database import dialect
from holdfast.ledger.limiting import limits, looks
from holdfast.ledger.models import Job
from holdfast.ledger.models.limits import Limit as LimitModel
from holdfast.ledger.models.limits import Place
from holdfast.ledger.models.unique import UniqueKey
from holdfast.ledger.records import Hold, Use
from holdfast.ledger.states import State
from tests.eventually import eventually
from tests.limited import admit, places, run, state, wait
from tests.rows import hire, new_job
from tests.surroundings import current_app


@shared_task(limit=Limit("few", concurrency=2))
def few(n: int = 0) -> None:
    pass


@shared_task(limit=Limit("single", concurrency=1))
def single(n: int = 0) -> None:
    pass


@shared_task(limit=Limit("wide", concurrency=1000))
def wide(n: int = 0) -> None:
    pass


@shared_task(limit=Limit("rated", rate="1/h", burst=2))
def rated(n: int = 0) -> None:
    pass


@shared_task(limit=Limit("keyed", by="tenant", per_key=1))
def keyed(tenant: str) -> None:
    pass


@shared_task(limit=[Limit("both-a", concurrency=2), Limit("both-b", concurrency=1)])
def both(n: int = 0) -> None:
    pass


@shared_task(unique=Unique(by="n"), limit=Limit("one-each", concurrency=1))
def once(n: int = 0) -> None:
    pass


@pytest.fixture(autouse=True)
def app(ledger: str) -> Iterator[Any]:
    """An app whose broker takes every ticket; each task was called before, and none of its jobs is under way."""
    with current_app("memory://") as app, mock.patch("holdfast.broker.publisher.Publisher.publish"):
        for task in (few, single, wide, rated, both, once):
            task.delay()
        keyed.delay("first")
        limiting._full.clear()
        Job.objects.using("ledger").update(state=State.SUCCEEDED)
        LimitModel.objects.using("ledger").update(tokens=0, refilled_at=None)
        limits.limited_rows().update(place=Place.AWAY)
        yield app


@pytest.fixture
def postgres(ledger: str) -> None:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("there is one writer, and what it has read holds")


def asked(work: Callable[[], Any]) -> int:
    """Return how many statements some work sends."""
    with CaptureQueriesContext(connections["ledger"]) as queries:
        work()
    return len(queries)


def ended(id: str) -> None:
    assert transitions.succeed(run(hire(), id), stored=None)


def meanwhile(do: Callable[[], Any]) -> Any:
    """Do something between the first look at limits and the statement that rests on it."""
    stock, times = looks.look, iter([True])

    def look(*args: Any, **kwargs: Any) -> Any:
        seen = stock(*args, **kwargs)
        if next(times, False):
            do()
        return seen

    return mock.patch.object(looks, "look", look)


@pytest.mark.parametrize("task", [few, wide, rated, both])
def test_job_that_fits_is_let_in_by_a_look_and_its_record(task: Any, ledger: str) -> None:
    sent: list[Any] = []
    number = asked(lambda: sent.append(task.delay(1)))
    assert state(sent[0].id) == (State.QUEUED, "")
    assert set(places(sent[0].id).values()) == {Place.ADMITTED}
    assert number <= (2 if connections[ledger].vendor == "postgresql" else 9)


def test_job_that_finds_no_room_waits_for_three_statements_and_then_two(ledger: str) -> None:
    first = single.delay()
    second, third = [], []
    numbers = [asked(lambda: second.append(single.delay(1)))]
    numbers.append(asked(lambda: third.append(single.delay(2))))
    if connections[ledger].vendor == "postgresql":
        assert numbers == [3, 2]
    assert [state(job.id) for job in (*second, *third)] == [(State.HELD, "limit")] * 2
    ended(first.id)
    assert admit("single") == [second[0].id]


def test_key_of_its_own_has_room_of_its_own(ledger: str) -> None:
    jobs = [keyed.delay(tenant) for tenant in ("a", "a", "b")]
    assert [state(job.id)[0] for job in jobs] == [State.QUEUED, State.HELD, State.QUEUED]
    holdfast.limits.set("keyed", concurrency=2)
    assert state(keyed.delay("c").id) == (State.HELD, "limit"), "the code's bounds are a hint"
    holdfast.limits.reset("keyed")


def test_tokens_are_taken_by_who_is_let_in_at_once() -> None:
    jobs = [rated.delay(n) for n in range(3)]
    assert [state(job.id)[0] for job in jobs] == [State.QUEUED, State.QUEUED, State.HELD]
    row = LimitModel.objects.using("ledger").get(name="rated")
    assert row.tokens < 0.1
    assert row.refilled_at is not None


def test_rate_set_at_run_time_counts_who_has_not_begun() -> None:
    holdfast.limits.set("wide", rate="1000/s", burst=1)
    assert [state(wide.delay(n).id)[0] for n in range(2)] == [State.QUEUED, State.HELD]
    holdfast.limits.reset("wide")


def test_nobody_overtakes_who_waits() -> None:
    wait("older", Use("few"))
    job = few.delay(1)
    assert state(job.id) == (State.HELD, "limit"), (
        "who brought the older one is about to admit both"
    )
    assert admit("few") == ["older", job.id]


def test_many_calls_in_one_go_take_as_many_statements_as_one(ledger: str) -> None:
    with_room, without = [], []
    number = asked(lambda: with_room.extend(wide.apply_many([(n,) for n in range(300)])))
    if connections[ledger].vendor == "postgresql":
        assert number <= 2
    assert {state(job.id)[0] for job in with_room} == {State.QUEUED}
    without += few.apply_many([(n,) for n in range(4)])
    found = [state(job.id)[0] for job in without]
    assert found == [State.QUEUED, State.QUEUED, State.HELD, State.HELD]


def test_calls_of_a_transaction_are_let_in_together_after_its_commit(ledger: str) -> None:
    def send() -> None:
        with transaction.atomic(using=ledger):
            sent.extend(wide.delay(n) for n in range(20))
            assert {state(job.id) for job in sent[:1]} == {(State.HELD, "limit")}

    sent: list[Any] = []
    number = asked(send)
    assert {state(job.id)[0] for job in sent} == {State.QUEUED}
    if connections[ledger].vendor == "postgresql":
        # One each, the test's own, the transaction's two, a look and one that lets them in.
        assert number <= 20 + 1 + 2 + 2


def test_who_was_let_in_meanwhile_is_not_overlooked(postgres: None) -> None:
    def other() -> None:
        wait("other", Use("single"))
        assert admit("single") == ["other"]

    with meanwhile(other):
        job = single.delay(1)
    assert state(job.id) == (State.HELD, "limit")
    assert state("other") == (State.QUEUED, "")


def test_what_was_read_lets_in_once(postgres: None) -> None:
    first, second = (new_job(hold="limit", limits=(Use("single"),)) for _ in range(2))
    entry = looks.look([first], stated=[], lined_up=False).entry
    assert len(transitions.record([first], entry=entry)) == 1
    assert transitions.record([second], entry=entry) == []
    assert dialect().let_in([second.id], entry=entry) == []
    assert state(second.id) == (State.HELD, "limit")


def test_bounds_set_meanwhile_hold(postgres: None) -> None:
    few.delay(1)
    with meanwhile(lambda: holdfast.limits.set("few", concurrency=1)):
        job = few.delay(2)
    assert state(job.id) == (State.HELD, "limit")
    holdfast.limits.reset("few")


def test_limit_that_somebody_admits_at_is_not_waited_for(postgres: None, ledger: str) -> None:
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(using=ledger):
                list(limits.limit_rows().filter(name="few").select_for_update())
                begun.set()
                over.wait(60)
        finally:
            connections[ledger].close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert begun.wait(60)
    job = new_job(hold="limit", limits=(Use("few"),))
    entry = looks.look([job], stated=[], lined_up=False).entry
    assert entry, "there is room"
    assert transitions.record([job], entry=entry) == []
    assert state(job.id) == (State.HELD, "limit")
    assert dialect().let_in([job.id], entry=entry) == []
    over.set()
    holder.join(60)
    # Locked is not written: what was read holds.
    assert [ticket.id for ticket in dialect().let_in([job.id], entry=entry)] == [job.id]
    assert places(job.id) == {"few": Place.ADMITTED}


def test_room_that_is_made_while_a_job_is_recorded_is_found(postgres: None) -> None:
    first = single.delay(1)
    with meanwhile(lambda: ended(first.id)):
        second = single.delay(2)
    assert state(second.id) == (State.QUEUED, "")


def test_admission_while_a_key_is_waited_for_is_seen(postgres: None, ledger: str, app: Any) -> None:
    """The statement has begun before the admission, and locks the limit after it."""
    sent: list[Any] = []
    # In a thread a shared task is that of the default app.
    task = app.tasks[once.name]

    def send() -> None:
        try:
            sent.append(task.delay(5))
        finally:
            connections[ledger].close()

    def elsewhere() -> None:
        try:
            wait("other", Use("one-each"))
            assert admit("one-each") == ["other"]
            told.append(True)
        finally:
            connections[ledger].close()

    told: list[bool] = []
    key = once.delay(5).id
    text = UniqueKey.objects.using(ledger).get(job=key).key
    UniqueKey.objects.using(ledger).filter(job=key).delete()
    ended(key)
    limits.limited_rows().update(place=Place.AWAY)
    sender, other = threading.Thread(target=send), threading.Thread(target=elsewhere)
    with transaction.atomic(using=ledger):
        # Whoever asks for the key waits for the end of this transaction.
        UniqueKey.objects.using(ledger).create(
            key=text, job="nobody", awaited=False, given_at=Now(), look_at=Now()
        )
        sender.start()
        eventually(lambda: somebody_waits(ledger), told="the sender waits for the key")
        other.start()
        other.join(60)
        assert told
        transaction.set_rollback(True, using=ledger)
    sender.join(60)
    assert state(sent[0].id) == (State.HELD, "limit")


def somebody_waits(alias: str) -> bool:
    # What sessions do is read once a transaction, locks are read anew.
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_many_producers_and_ends_at_once_let_in_no_more_than_fits(
    postgres: None, ledger: str, app: Any
) -> None:
    task = app.tasks[few.name]
    worker, begin = hire(), threading.Barrier(4)
    most: list[int] = []
    errors: list[BaseException] = []
    jobs = Job.objects.using(ledger).filter(state__in=limits.UNDER_WAY)

    def work() -> None:
        try:
            begin.wait(60)
            for n in range(25):
                task.delay(n)
                most.append(jobs.count())
                for id in list(jobs.values_list("id", flat=True))[:1]:
                    token = Job.objects.using(ledger).get(id=id).token
                    claimed = transitions.claim([(id, token, False)], worker=worker).claimed
                    for job in claimed:
                        hold = Hold(job.id, job.token, worker)
                        assert transitions.succeed(hold, stored=None)
                        # As a worker does.
                        admit("few")
        except BaseException as error:  # noqa: BLE001  # told by the test below
            errors.append(error)
        finally:
            connections[ledger].close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert max(most) == 2
    left = Job.objects.using(ledger).filter(task=few.name).exclude(state=State.SUCCEEDED)
    while ids := list(left.filter(state__in=limits.UNDER_WAY).values_list("id", flat=True)):
        for id in ids:
            ended(id)
        admit("few")
    assert not left.exists(), "nobody was forgotten in the line"
