"""A soft time limit strikes anywhere: it comes out of what Holdfast does for a body, and the connection can be used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from celery.app.task import Context
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections

import holdfast
from holdfast import lineage
from holdfast.broker.publisher import Publisher
from holdfast.dispatch.outbox import Outbox
from holdfast.dispatch.progress import Reporter
from holdfast.dispatch.retrying import run_body
from holdfast.interruptions import strike_again_if_ignored
from holdfast.ledger import transitions
from holdfast.ledger.connections.aside import has_transaction
from holdfast.ledger.database import (
    atomic,
    connection,
    end_half_begun,
    open_transactions,
    with_patience,
)
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold, Ticket
from tests.eventually import eventually
from tests.rows import FAILURE, hire, new_job
from tests.striking import is_struck, limited, strike

# Every so many steps: prime, so that no loop of a call is met at the same place each time.
EACH = 31


@pytest.fixture
def hold(ledger: str) -> Iterator[Hold]:
    """An attempt whose body runs here."""
    worker = hire()
    (ticket,) = transitions.record([new_job()])
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    hold = Hold(job.id, job.token, worker)
    with lineage.running(hold):
        yield hold


def report(hold: Hold) -> None:
    def write(_: dict[str, Any]) -> None:
        transitions.store_result(hold.id, FAILURE, hold=hold)

    Reporter(write, job=hold.id).report({"done": 1})


def look(_: Hold) -> None:
    lineage.memory().clear()
    holdfast.is_aborted()


def keep(_: Hold) -> None:
    holdfast.checkpoint({"at": 7})
    holdfast.last_checkpoint()


def affect(_: Hold) -> None:
    holdfast.effect(str(uuid4())).once(lambda: 7)


def assert_usable() -> None:
    """What is written now is committed."""
    assert not has_transaction()
    (ticket,) = transitions.record([new_job()])
    assert_committed(ticket.id)


def assert_committed(job: str) -> None:
    """Others see it."""
    alias = connection().alias

    def look() -> bool:
        try:
            return Job.objects.using(alias).filter(id=job).exists()
        finally:
            connections[alias].close()

    with ThreadPoolExecutor(1) as beside:
        assert beside.submit(look).result()


@pytest.mark.parametrize("call", [report, look, keep, affect])
def test_limit_that_strikes_anywhere_comes_out_and_tears_nothing(
    hold: Hold, call: Callable[[Hold], None]
) -> None:
    strikes = 0
    for step in count(1, EACH):
        if not is_struck(partial(call, hold), at=step):
            break
        strikes += 1
        assert_usable()
    assert strikes > 10, "the call is longer than that"


def test_limit_that_strikes_a_publication_is_no_fault_of_the_broker(publisher: Publisher) -> None:
    publish = partial(publisher.publish, [Ticket(str(uuid4()), 1, "t", "q", 0)])
    strikes = 0
    for step in count(1, 2):
        if not is_struck(publish, at=step):
            break
        strikes += 1
        assert publisher.available
    assert strikes > 3, "the call is longer than that"
    publish()


@pytest.fixture
def outbox(publisher: Publisher) -> Outbox:
    """What an app sends by."""
    outbox = Outbox(publisher.app)
    outbox.publisher = publisher
    return outbox


def test_limit_that_strikes_as_a_commit_publishes_comes_out_of_the_commit(
    ledger: str, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck(_: object) -> None:
        strike()

    monkeypatch.setattr(outbox.publisher, "publish", struck)
    job = new_job()

    def send() -> None:
        with atomic():
            outbox.publish_on_commit(transitions.record([job]))

    with limited(), pytest.raises(SoftTimeLimitExceeded):
        send()
    assert_committed(job.id)


def test_error_as_a_commit_publishes_is_told_and_undoes_nothing(
    ledger: str, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise ValueError("no broker of ours says so")

    monkeypatch.setattr(outbox.publisher, "publish", broken)
    with atomic():
        (ticket,) = transitions.record([new_job()])
        outbox.publish_on_commit([ticket])
    assert_committed(ticket.id)
    assert "no broker of ours says so" in caplog.text


@pytest.fixture
def slow_commit(ledger: str) -> Iterator[Callable[[], None]]:
    """A write whose commit waits in the server until somebody has seen it wait."""
    if connections[ledger].vendor != "postgresql":
        pytest.skip("SQLite commits in this process, which looks for signals afterwards")
    with connections[ledger].cursor() as cursor:
        cursor.execute(
            "CREATE TABLE slow (n int); CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'; CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()"
        )

    def write() -> None:
        with atomic(), connections[ledger].cursor() as cursor:
            cursor.execute("INSERT INTO slow VALUES (1)")

    yield write
    with connections[ledger].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        )
        cursor.execute("DROP TABLE slow; DROP FUNCTION wait()")


@contextmanager
def struck_in_the_commit(alias: str) -> Iterator[None]:
    """Strike as soon as the server says that a commit waits."""
    seen = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query = 'COMMIT'"

    def is_waiting() -> bool:
        with connections[alias].cursor() as cursor:
            cursor.execute(seen)
            return bool(cursor.fetchone()[0])

    def look_and_strike() -> None:
        try:
            eventually(is_waiting)
        finally:
            connections[alias].close()
            strike()

    looks = Thread(target=look_and_strike)
    with limited():
        looks.start()
        yield
        looks.join()


def test_limit_that_the_error_of_a_torn_commit_hides_comes_out_of_progress(
    ledger: str, slow_commit: Callable[[], None]
) -> None:
    with struck_in_the_commit(ledger), pytest.raises(SoftTimeLimitExceeded):
        Reporter(lambda _: slow_commit(), job="j").report({"done": 1})
    assert_usable()


def test_limit_that_the_error_of_a_torn_commit_hides_is_not_waited_out(
    ledger: str, slow_commit: Callable[[], None]
) -> None:
    with struck_in_the_commit(ledger), pytest.raises(SoftTimeLimitExceeded):
        with_patience(slow_commit, seconds=60, what="a test")
    assert_usable()


def test_body_whose_own_commit_is_torn_leaves_by_its_limit(
    put: Callable[..., Any], slow_commit: Callable[[], None]
) -> None:
    def torn(self: Any) -> None:
        slow_commit()

    task = put(torn)
    with struck_in_the_commit("ledger"), pytest.raises(SoftTimeLimitExceeded):
        run_body(task, Context(), (), {})
    assert_usable()


class Dying:
    """Struck in its finalizer, where Python ignores errors."""

    def __del__(self) -> None:
        strike()
        str(self)


def test_limit_that_strikes_in_a_finalizer_strikes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    strike_again_if_ignored()

    def body() -> None:
        Dying()
        for _ in range(10):
            abs(-1)

    with limited(), pytest.raises(SoftTimeLimitExceeded):
        body()
    assert sys.getprofile() is None
    abs(-1)


def test_transaction_that_nobody_will_end_is_ended(ledger: str) -> None:
    """A limit may strike as Django enters or leaves a block: all that follows would be part of it."""
    before = open_transactions()
    block = atomic()
    block.__enter__()
    transitions.record([new_job("torn")])
    end_half_begun(before)
    assert_usable()
    assert not Job.objects.using(ledger).filter(id="torn").exists()


def test_transaction_that_was_open_before_stays_open(ledger: str) -> None:
    with atomic():
        end_half_begun(open_transactions())
        assert has_transaction()
        transitions.record([new_job("kept")])
    assert Job.objects.using(ledger).filter(id="kept").exists()
