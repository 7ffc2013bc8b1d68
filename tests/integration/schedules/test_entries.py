"""Entries as they are written, refused, listed and run by hand, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.schedules import crontab, schedule
from django.db import transaction
from django.db.models.functions import Now
from django.test import override_settings

import holdfast
from holdfast import Celery
from holdfast.beat import firing
from holdfast.beat import scheduler as scheduling
from holdfast.beat.scheduler import Scheduler
from holdfast.conf import get_settings
from holdfast.exceptions import ConfigurationError, ScheduleNotFound
from holdfast.ledger import schedules
from holdfast.ledger.database import atomic
from holdfast.ledger.models.schedules import Occurrence, Schedule
from holdfast.testing.services import RedisServer
from tests.integration.schedules.passes import (
    HOUR,
    MINUTE,
    START,
    Clock,
    counted,
    entry,
    jobs,
    outcomes,
    reasons,
)


def test_call_that_is_not_durable_is_sent_after_the_decision(
    start: Callable[..., Scheduler], clock: Clock, redis_server: RedisServer
) -> None:
    options = {"durable": False, "queue": "plain"}
    scheduler = start(one=entry(options=options))
    scheduler.app.connection_for_write().default_channel.client.delete("plain")
    scheduler.one_pass()
    clock.now += MINUTE
    scheduler.one_pass()
    assert counted() == {"fired": 1}
    assert jobs() == set()
    assert scheduler.app.connection_for_write().default_channel.client.llen("plain") == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (entry(catch_up="some"), "'skip', 'last', 'all'"),
        (entry(catch_up="all", catch_up_max=0), "greater than 0"),
        (entry(should_run="no.such.function"), "cannot be imported"),
        (entry(should_run=3), "dotted path"),
        (entry(shedule=3), "did you mean 'schedule'"),
        (entry(timezone="Europe/Bielefeld"), "timezone"),
        (entry(-1), "greater than 0"),
        ({"task": "schedules.note"}, "'task' and 'schedule'"),
    ],
    ids=["catch_up", "catch_up_max", "should_run", "no function", "key", "zone", "every", "none"],
)
def test_entry_that_cannot_be_read_ends_the_start_and_names_the_repair(
    wrong: dict[str, Any], told: str, start: Callable[..., Scheduler]
) -> None:
    with pytest.raises(ConfigurationError, match=r"CELERY_BEAT_SCHEDULE\['broken'\]") as refused:
        start(broken=wrong)
    assert told in str(refused.value)


def test_name_that_is_too_long_is_refused(start: Callable[..., Scheduler]) -> None:
    with pytest.raises(ConfigurationError, match="shorten it"):
        start(**{"x" * 256: entry()})


def test_without_time_zones_no_scheduler_starts(start: Callable[..., Scheduler]) -> None:
    with override_settings(USE_TZ=False), pytest.raises(ConfigurationError, match="USE_TZ = True"):
        start(one=entry())


def test_entry_that_says_when_it_ran_last_counts_from_there(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    start(one=entry(60, last_run_at=START - timedelta(seconds=70))).one_pass()
    assert outcomes() == [("fired", START - timedelta(seconds=10))]
    start().one_pass()
    assert len(jobs()) == 1


def test_rule_that_breaks_holds_up_no_other(
    start: Callable[..., Scheduler], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Moody(schedule):  # type: ignore[misc]  # see pyproject.toml
        broken = False

        def remaining_estimate(self, last_run_at: datetime) -> timedelta:
            if Moody.broken:
                raise ArithmeticError("no idea")
            return super().remaining_estimate(last_run_at)

    moody = Moody(60, relative=True)
    scheduler = start(one=entry(moody), two=entry())
    scheduler.one_pass()
    Moody.broken = True
    for _ in range(2):
        clock.now += MINUTE
        scheduler.one_pass()
    assert outcomes() == []
    assert counted("two") == {"fired": 2}
    assert "it rests until" in caplog.text


def test_condition_may_take_longer_than_the_database_may(
    start: Callable[..., Scheduler], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firing, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(scheduling, "ANSWER_SECONDS", 0.3)

    def should_run(_: datetime) -> bool:
        # The watch looks twice a second: it would have cut what it watches by then.
        threading.Event().wait(1.2)
        return True

    scheduler = start(one=entry(should_run=should_run))
    scheduler.one_pass()
    clock.now += MINUTE
    scheduler.one_pass()
    assert counted() == {"fired": 1}


def test_periodic_task_of_the_app_takes_the_same_options(
    start: Callable[..., Scheduler], clock: Clock, app: Celery
) -> None:
    app.conf.beat_schedule = {}
    app.add_periodic_task(
        crontab("0"), app.tasks["schedules.note"].s(1), name="one", catch_up="all"
    )
    start().one_pass()
    clock.now += 2 * HOUR
    start().one_pass()
    assert counted() == {"fired": 2}


def test_schedules_are_listed_with_their_next_due_times(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    scheduler = start(one=entry(catch_up="last"), two=entry(crontab("0", "4")))
    scheduler.one_pass()
    clock.now += MINUTE
    scheduler.one_pass()
    one, two = holdfast.schedules()
    assert (one.name, one.task, one.source) == ("one", "schedules.note", "settings")
    assert (one.enabled, one.catch_up) == (True, "last")
    assert one.timing == "crontab * * * * * in UTC"
    assert one.next_due_at == START.replace(minute=2, second=0)
    assert one.last_due_at == START.replace(minute=1, second=0)
    assert (one.last_outcome, [one.last_job]) == ("fired", list(jobs()))
    assert two.next_due_at == datetime(2026, 6, 2, 4, tzinfo=UTC)
    assert (two.last_due_at, two.last_outcome, two.last_job) == (None, None, None)


def test_schedule_run_by_hand_makes_a_job_and_moves_no_due_time(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    start(one=entry(crontab("0"))).one_pass()
    result = holdfast.run_now("one")
    assert jobs() == {result.id}
    assert reasons() == ["run now"]
    clock.now += HOUR
    start().one_pass()
    assert counted() == {"fired": 2}
    assert len(jobs()) == 2


def test_schedule_run_by_hand_is_part_of_the_transaction(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    start(one=entry())
    with atomic():
        holdfast.run_now("one")
        assert len(jobs()) == 1
        transaction.set_rollback(True, using=get_settings().database)
    assert (jobs(), outcomes()) == (set(), [])


def test_unknown_schedule_is_told_with_the_nearest_one(start: Callable[..., Scheduler]) -> None:
    start(nightly=entry())
    with pytest.raises(ScheduleNotFound, match="did you mean 'nightly'"):
        holdfast.run_now("nightl")


def test_old_occurrences_are_pruned_and_stay_decided(
    start: Callable[..., Scheduler], clock: Clock, ledger: str
) -> None:
    start(one=entry(catch_up="all", catch_up_max=50), gone=entry()).one_pass()
    clock.now += 20 * MINUTE
    start(one=entry(catch_up="all", catch_up_max=50)).one_pass()
    Occurrence.objects.using(ledger).update(decided_at=Now() - timedelta(days=31))
    Schedule.objects.using(ledger).filter(active=False).update(
        decided_until=Now() - timedelta(days=31)
    )
    assert schedules.prune(older_than=timedelta(days=30), limit=8) >= 8
    start().one_pass()
    assert counted() == {}
    assert set(Schedule.objects.using(ledger).values_list("name", flat=True)) == {"one"}
    clock.now += MINUTE
    start().one_pass()
    assert counted() == {"fired": 1}
