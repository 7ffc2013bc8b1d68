"""Who counts the minutes: the worker with the duty, without being asked, and nothing else waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from holdfast.ledger import minutes, transitions, workers
from holdfast.ledger.models import Duty, Job, Minute
from holdfast.ledger.states import State
from holdfast.testing.services import RedisServer
from holdfast.upkeep import pulse
from holdfast.upkeep.minutes import MinuteKeeper
from tests.finished import finished
from tests.integration.test_idle_statements import Minutes, counted, crowd
from tests.integration.test_minutes import last_full
from tests.rows import hire, new_job


@pytest.fixture
def idle(
    ledger: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Minutes]:
    """A worker among others, run by a clock of the test's own."""
    monkeypatch.setattr(pulse, "CLOCK_STEP_SECONDS", 1e9)
    crowd(ledger)
    minutes = Minutes(redis_server.url, hire())
    yield minutes
    minutes.app.outbox.publisher.close()


def test_worker_with_the_duty_counts_minutes_of_a_cluster_at_rest(
    ledger: str, idle: Minutes
) -> None:
    finished(3, at=last_full())
    idle.pass_for(60)
    assert Minute.objects.using(ledger).get(task="", queue="").succeeded == 3
    with counted(ledger) as statements:
        idle.pass_for(600)
    looks = [sql for sql in statements if "RECURSIVE" in sql]
    # One look a minute; two, where this one's clock and the database's do not agree on when a minute is over.
    assert 8 <= len(looks) <= 21


def test_worker_without_the_duty_counts_nothing(ledger: str, idle: Minutes) -> None:
    other = hire()
    assert workers.take_duty(workers.UPKEEP, other, seconds=3600)
    finished(3, at=last_full())
    idle.pass_for(120)
    assert not Minute.objects.using(ledger).exists()


def test_worker_that_takes_the_duty_asks_how_far_minutes_are_counted(
    ledger: str, idle: Minutes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    real = MinuteKeeper.begin

    def begin(keeper: MinuteKeeper) -> None:
        begun.append(idle.now)
        real(keeper)

    monkeypatch.setattr(MinuteKeeper, "begin", begin)
    idle.pass_for(120)
    assert len(begun) == 1
    # Another worker has it for a while.
    Duty.objects.using(ledger).update(holder=hire(), until=minutes.now() + timedelta(hours=1))
    idle.pass_for(120)
    Duty.objects.using(ledger).update(until=minutes.now() - timedelta(seconds=1))
    idle.pass_for(120)
    assert len(begun) == 2


def test_failure_to_count_holds_up_no_other_upkeep(
    ledger: str, idle: Minutes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def fail(_self: MinuteKeeper) -> float:
        tries.append(idle.now)
        raise RuntimeError("no room")

    monkeypatch.setattr(MinuteKeeper, "one_pass", fail)
    sweep = idle.crew.loops[1]
    swept = sweep.one_pass

    def go_on() -> float:
        # As the loop does after a pass that failed.
        with suppress(RuntimeError):
            return swept()
        return 1.0

    monkeypatch.setattr(sweep, "one_pass", go_on)
    (ticket,) = transitions.record([new_job()])
    gone = hire()
    transitions.claim([(ticket.id, ticket.token, False)], worker=gone)
    workers.retire(gone)
    idle.pass_for(300)
    assert State(Job.objects.using(ledger).get(id=ticket.id).state) is State.QUEUED
    assert 4 <= len(tries) <= 6


def test_duty_that_comes_back_goes_on_after_what_another_one_has_counted(
    ledger: str,
) -> None:
    keeper = MinuteKeeper()
    keeper.one_pass()
    at = last_full(2)
    keeper._until = at - 2 * minutes.MINUTE
    finished(1, at=at)
    MinuteKeeper().one_pass()
    keeper.begin()
    with counted(ledger) as statements:
        keeper.one_pass()
    assert not [sql for sql in statements if "INSERT" in sql.upper()]
    assert minutes.counted_until(now=minutes.now()) == at + minutes.MINUTE
