"""A schedule that is paused, on both databases: no job, each due time with the reason, whoever decides."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

import holdfast
from holdfast.beat import firing
from holdfast.beat.scheduler import Scheduler
from holdfast.exceptions import ScheduleNotFound
from holdfast.ledger import audit, pauses, schedules
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.schedules import Decided, Decision
from tests.eventually import eventually
from tests.integration.schedules.passes import (
    MINUTE,
    Clock,
    counted,
    entry,
    jobs,
    outcomes,
    reasons,
)


@pytest.fixture
def begun(start: Callable[..., Scheduler], clock: Clock) -> Scheduler:
    """A scheduler that has seen its schedules."""
    scheduler = start(one=entry(), two=entry())
    scheduler.one_pass()
    clock.now += MINUTE
    return scheduler


def test_paused_schedule_makes_no_jobs_and_says_why(begun: Scheduler, clock: Clock) -> None:
    assert holdfast.pause(schedule="one", actor="ada", reason="stock-taking")
    assert not holdfast.pause(schedule="one", actor="bob")
    for _ in range(2):
        begun.one_pass()
        clock.now += MINUTE
    assert counted() == {"skipped": 2}
    assert set(reasons()) == {"paused by ada: stock-taking"}
    assert counted("two") == {"fired": 2}
    assert len(jobs()) == 2
    (info, _) = holdfast.schedules()
    assert info.paused is not None
    assert (info.paused.by, info.paused.reason) == ("ada", "stock-taking")
    assert [(line.actor, line.action, line.detail) for line in audit.lines()] == [
        ("ada", "pause", "schedule one: stock-taking")
    ]


def test_resumed_schedule_goes_on_with_its_next_due_time(begun: Scheduler, clock: Clock) -> None:
    holdfast.pause(schedule="one")
    begun.one_pass()
    assert holdfast.resume(schedule="one", actor="ada")
    assert not holdfast.resume(schedule="one")
    begun.one_pass()
    assert counted() == {"skipped": 1}
    clock.now += MINUTE
    begun.one_pass()
    assert [outcome for outcome, _ in outcomes()] == ["skipped", "fired"]


def test_pause_outlives_its_schedulers_and_whoever_comes_next_heeds_it(
    begun: Scheduler, start: Callable[..., Scheduler], clock: Clock
) -> None:
    holdfast.pause(schedule="one")
    for _ in range(2):
        start(leads=True).one_pass()
        clock.now += MINUTE
    assert counted() == {"skipped": 2}


def test_what_was_missed_before_the_pause_stays_missed_and_is_not_caught_up(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    start(one=entry(catch_up="all")).one_pass()
    clock.now += 3 * MINUTE
    # As if the pause had come after the first of the three.
    holdfast.pause(schedule="one")
    pauses._pauses().update(at=clock.now - 2 * MINUTE)
    start(one=entry(catch_up="all", catch_up_max=1)).one_pass()
    assert counted() == {"missed": 1, "skipped": 2}
    assert jobs() == set()


def test_pause_returns_only_when_no_decision_is_left_that_has_not_seen_it(
    begun: Scheduler, ledger: str
) -> None:
    """A job made in spite of a pause that has returned would be one too many."""
    rule = begun._agenda.rules["one"] if begun._agenda.rules else begun._sources.rules()["one"]
    since = schedules.standings(["one"])["one"].decided_until
    decided, go_on = threading.Event(), threading.Event()

    def decide_slowly() -> None:
        with atomic():
            one = Decided(due_at=since + MINUTE, outcome=Decision.FIRED, job="a")
            new = schedules.decide(rule.name, since=since, decided=[one])
            assert new is not None
            decided.set()
            assert go_on.wait(20)
        connections.close_all()

    paused: list[bool] = []

    def pause() -> None:
        paused.append(holdfast.pause(schedule="one"))
        connections.close_all()

    decision, pausing = threading.Thread(target=decide_slowly), threading.Thread(target=pause)
    try:
        decision.start()
        assert decided.wait(20)
        pausing.start()
        if connections[ledger].vendor == "postgresql":
            # It has committed by now, and waits for the decision.
            eventually(lambda: pauses.schedule_pause("one") is not None, told="the pause is there")
            pausing.join(0.1)
        assert not paused
    finally:
        go_on.set()
        for thread in (decision, pausing):
            thread.join(30)
    assert paused == [True]
    assert counted() == {"fired": 1}


def test_pause_in_a_transaction_holds_from_its_commit_on(begun: Scheduler) -> None:
    with atomic():
        holdfast.pause(schedule="one")
        transaction.set_rollback(True, using=alias())
    begun.one_pass()
    assert counted() == {"fired": 1}


def test_paused_schedule_runs_by_hand_and_keeps_its_rhythm(begun: Scheduler, clock: Clock) -> None:
    holdfast.pause(schedule="one")
    job = holdfast.run_now("one", actor="ada").id
    assert jobs() == {job}
    begun.one_pass()
    assert sorted(outcome for outcome, _ in outcomes()) == ["fired", "skipped"]
    assert ("run now", "ada", job, "schedule one") in {
        (line.action, line.actor, line.job, line.detail) for line in audit.lines()
    }


def test_schedule_that_is_not_there_is_refused_with_the_nearest_one(begun: Scheduler) -> None:
    with pytest.raises(ScheduleNotFound, match="did you mean 'one'"):
        holdfast.pause(schedule="onne")
    with pytest.raises(ValueError, match="one of the three"):
        holdfast.pause(schedule="one", queue="q")


def test_broken_call_of_a_paused_schedule_is_skipped_and_no_failure(
    begun: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> str:
        raise TypeError("cannot be written")

    monkeypatch.setattr(firing, "_send", broken)
    holdfast.pause(schedule="one")
    begun.one_pass()
    assert counted() == {"skipped": 1}
    assert counted("two") == {"failed": 1}
