"""Schedulers that die, wake and meet, on both databases: each occurrence makes one job."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from celery.schedules import crontab
from celery.signals import after_task_publish
from django.db import connections
from django.db.models.functions import Now

from holdfast.beat.scheduler import Scheduler
from holdfast.conf import get_settings
from holdfast.ledger import schedules
from holdfast.ledger.database import atomic
from holdfast.ledger.models import Duty
from holdfast.ledger.models.schedules import Schedule
from holdfast.ledger.schedules import Decided, Decision
from tests.eventually import eventually
from tests.integration.schedules.passes import (
    MINUTE,
    START,
    Clock,
    counted,
    entry,
    fired,
    jobs,
    outcomes,
)


class Killed(BaseException):
    """Ends a process on the spot."""


def test_scheduler_that_dies_before_the_commit_leaves_the_occurrence_to_the_next(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    first = start(one=entry(), leads=True)
    first.one_pass()
    clock.now += MINUTE

    def die(**_: Any) -> None:
        raise Killed

    after_task_publish.connect(die)
    try:
        with pytest.raises(Killed):
            first.one_pass()
    finally:
        after_task_publish.disconnect(die)
    assert (outcomes(), jobs()) == ([], set())
    start(leads=True).one_pass()
    assert counted() == {"fired": 1}
    assert set(fired()) == jobs()


def test_leader_that_wakes_late_fires_nothing_twice(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    frozen = start(one=entry(), two=entry(catch_up="all"), leads=True)
    frozen.one_pass()
    clock.now += MINUTE
    start(leads=True).one_pass()
    frozen.one_pass()
    assert counted() == counted("two") == {"fired": 1}
    assert (len(jobs()), set(fired())) == (2, jobs())
    # It has seen that it was overtaken, and begins again from what the ledger says.
    clock.now += MINUTE
    frozen.one_pass()
    assert counted() == {"fired": 2}


def test_schedulers_that_all_believe_to_lead_make_one_job_for_each_occurrence(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    many = [start(**{f"s{n}": entry(crontab()) for n in range(5)}, leads=True) for _ in range(3)]
    for scheduler in many:
        scheduler.one_pass()
    barrier = threading.Barrier(len(many) + 1)
    stop = threading.Event()

    def run(scheduler: Scheduler) -> None:
        while True:
            barrier.wait(60)
            if stop.is_set():
                break
            for _ in range(6):
                scheduler.tick()
            barrier.wait(60)
        connections.close_all()

    threads = [threading.Thread(target=run, args=(one,)) for one in many]
    for thread in threads:
        thread.start()
    for _ in range(8):
        clock.now += MINUTE
        barrier.wait(60)
        barrier.wait(60)
    stop.set()
    barrier.wait(60)
    for thread in threads:
        thread.join(30)
    for n in range(5):
        assert counted(f"s{n}") == {"fired": 8}
    assert len(fired()) == len(set(fired())) == len(jobs()) == 40


def test_row_of_an_occurrence_stands_even_against_a_schedule_that_was_set_back(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    start(one=entry(catch_up="all")).one_pass()
    clock.now += 2 * MINUTE
    start().one_pass()
    Schedule.objects.using(get_settings().database).update(decided_until=START)
    clock.now += MINUTE
    start().one_pass()
    assert counted() == {"fired": 3}
    assert len(jobs()) == 3


def test_only_the_leader_acts_and_the_next_one_follows_at_once_when_it_leaves(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    first, second = start(one=entry()), start(beside=True)
    first.one_pass()
    assert second.one_pass() == 1
    clock.now += MINUTE
    second.one_pass()
    assert outcomes() == []
    first.one_pass()
    assert counted() == {"fired": 1}
    first.close()
    clock.now += MINUTE
    second.one_pass()
    assert counted() == {"fired": 2}


@pytest.mark.parametrize(
    ("minutes", "becomes"),
    [(1, {"fired": 1}), (3, {"missed": 2, "fired": 1})],
    ids=["fires", "passes over"],
)
def test_leader_frozen_in_a_transaction_does_not_hold_up_its_schedule(
    start: Callable[..., Scheduler],
    clock: Clock,
    ledger: str,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
    becomes: dict[str, int],
) -> None:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("SQLite has one writer: frozen in a transaction it stops everybody")
    frozen, after = start(one=entry()), start(beside=True)
    frozen.one_pass()
    clock.now += minutes * MINUTE
    inside, thaw = threading.Event(), threading.Event()
    decide = schedules.decide

    def freeze(*args: Any, **kwargs: Any) -> Any:
        done = decide(*args, **kwargs)
        if threading.current_thread() is thread:
            inside.set()
            thaw.wait(60)
        return done

    def run() -> None:
        frozen.tick()
        connections.close_all()

    monkeypatch.setattr(schedules, "decide", freeze)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert inside.wait(60)
        Duty.objects.using(ledger).update(until=Now() - MINUTE)
        after.one_pass()
        assert counted() == becomes
    finally:
        thaw.set()
        thread.join(30)
    assert counted() == becomes
    assert set(fired()) == jobs()


def test_decision_of_a_leader_that_is_behind_writes_nothing(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    scheduler = start(one=entry())
    scheduler.one_pass()
    clock.now += MINUTE
    scheduler.one_pass()
    (before,) = schedules.standings().values()
    late = Decided(due_at=START - MINUTE, outcome=Decision.MISSED)
    with atomic():
        assert schedules.decide("one", since=START - 2 * MINUTE, decided=[late]) is None
    assert list(schedules.standings().values()) == [before]
    assert counted() == {"fired": 1}


def test_database_that_is_away_is_waited_for(
    start: Callable[..., Scheduler], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    scheduler = start(one=entry())
    scheduler.tick()
    clock.now += MINUTE
    with monkeypatch.context() as away:

        def fail(*_: Any, **__: Any) -> Any:
            raise OperationalError("the server is gone")

        away.setattr(schedules, "decide", fail)
        assert scheduler.tick() == 0.5
    assert jobs() == set()
    scheduler.tick()
    assert counted() == {"fired": 1}
    eventually(lambda: len(jobs()) == 1)
