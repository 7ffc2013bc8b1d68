"""Which occurrences fire, on both databases, by a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.beat import BeatLazyFunc
from celery.schedules import crontab
from django.test import override_settings

from holdfast.beat.scheduler import Scheduler
from holdfast.conf import get_settings
from holdfast.ledger.models import Job, Payload
from tests.integration.schedules.passes import (
    HOUR,
    MINUTE,
    START,
    Clock,
    counted,
    entry,
    fired,
    jobs,
    outcomes,
    reasons,
)


def test_schedule_seen_first_does_not_fire_for_the_past(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    scheduler = start(one=entry(catch_up="all"))
    assert scheduler.one_pass() == 30
    assert outcomes() == []
    clock.now += 30 * timedelta(seconds=1)
    scheduler.one_pass()
    assert outcomes() == [("fired", START.replace(minute=1, second=0))]
    assert fired() == list(jobs())


def test_pause_lasts_until_the_next_due_time_of_all(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    scheduler = start(one=entry(), two=entry(7.5))
    assert scheduler.one_pass() == 7.5
    clock.now += timedelta(seconds=7)
    assert scheduler.one_pass() == 0.5
    assert scheduler.tick() == 0.5


def test_job_carries_what_its_entry_says(start: Callable[..., Scheduler], clock: Clock) -> None:
    options = {"queue": "reports", "priority": 7, "expires": 60, "headers": {"tenant": "a"}}
    lazy = BeatLazyFunc(lambda: "made late")
    start(one=entry(args=[1, lazy], kwargs={"x": 2}, options=options)).one_pass()
    clock.now += MINUTE
    start().one_pass()
    (job,) = Job.objects.using(get_settings().database).all()
    assert (job.task, job.queue, job.priority) == ("schedules.note", "reports", 7)
    assert job.expires_at is not None
    payload = Payload.objects.using(get_settings().database).get(job=job.id)
    assert b'[[1, "made late"], {"x": 2}' in bytes(payload.body)
    for header in ('"tenant": "a"', '"periodic_task_name": "one"', '"celery_beat_task": true'):
        assert header in payload.headers


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"missed": 5}),
        ({"catch_up": "skip"}, {"missed": 5}),
        ({"catch_up": "last"}, {"missed": 4, "fired": 1}),
        ({"catch_up": "all"}, {"fired": 5}),
        ({"catch_up": "all", "catch_up_max": 3}, {"missed": 2, "fired": 3}),
    ],
    ids=["default", "skip", "last", "all", "all, up to 3"],
)
def test_missed_occurrences_follow_the_catch_up_rule(
    options: dict[str, Any],
    expected: dict[str, int],
    start: Callable[..., Scheduler],
    clock: Clock,
) -> None:
    start(one=entry(crontab("0"), options=options)).one_pass()
    clock.now += 5 * HOUR + 10 * MINUTE
    scheduler = start()
    scheduler.one_pass()
    assert counted() == expected
    assert [due.hour for _, due in outcomes()] == [13, 14, 15, 16, 17]
    assert len(jobs()) == expected.get("fired", 0)
    # Those that are fired are the latest.
    assert [o for o, _ in outcomes()] == sorted((o for o, _ in outcomes()), reverse=True)
    scheduler.one_pass()
    assert counted() == expected


@pytest.mark.parametrize(("late", "expected"), [(59, "fired"), (61, "missed")])
def test_occurrence_counts_as_on_time_for_a_while(
    late: int, expected: str, start: Callable[..., Scheduler], clock: Clock
) -> None:
    start(one=entry(crontab("0"))).one_pass()
    clock.now = START.replace(hour=13, second=0) + timedelta(seconds=late)
    start().one_pass()
    assert outcomes() == [(expected, START.replace(hour=13, second=0))]


def test_of_short_intervals_only_the_latest_fires_late(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    start(one=entry(1)).one_pass()
    clock.now += timedelta(seconds=12)
    start().one_pass()
    assert [outcome for outcome, _ in outcomes()] == ["missed"] * 11 + ["fired"]


def test_what_was_missed_in_a_year_costs_a_bounded_number_of_rows(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    start(one=entry(catch_up="last"), two=entry(0.001)).one_pass()
    clock.now += timedelta(days=365)
    start().one_pass()
    assert counted() == {"missed": 99, "fired": 1}
    assert [("no row" in reason) for reason in reasons()[:2]] == [True, False]
    assert counted("two") == {"missed": 99, "fired": 1}


@pytest.mark.parametrize(
    ("answer", "expected", "reason"),
    [
        (True, "fired", ""),
        (None, "fired", ""),
        (False, "skipped", "should_run said no"),
        ("a holiday", "skipped", "a holiday"),
    ],
    ids=str,
)
def test_condition_decides_whether_an_occurrence_runs(
    answer: Any, expected: str, reason: str, start: Callable[..., Scheduler], clock: Clock
) -> None:
    asked: list[datetime] = []

    def should_run(due_at: datetime) -> Any:
        asked.append(due_at)
        return answer

    start(one=entry(should_run=should_run)).one_pass()
    clock.now += MINUTE
    start().one_pass()
    assert outcomes() == [(expected, START.replace(minute=1, second=0))]
    assert reasons() == [reason]
    assert asked == [START.replace(minute=1, second=0)]
    assert len(jobs()) == (expected == "fired")


def never(due_at: datetime) -> str:
    return f"never, not at {due_at:%H:%M} either"


def test_condition_can_be_named_in_the_settings_by_the_name_of_the_schedule(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    conduct = {"one": {"should_run": f"{__name__}.never"}}
    with override_settings(HOLDFAST={"database": get_settings().database, "schedules": conduct}):
        start(one=entry()).one_pass()
        clock.now += MINUTE
        start().one_pass()
        assert reasons() == ["never, not at 12:01 either"]


def test_broken_condition_and_broken_call_hold_up_nobody(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    def broken(_: datetime) -> bool:
        raise LookupError("no calendar")

    scheduler = start(
        one=entry(should_run=broken), two=entry(args=[object()]), three=entry(crontab("*/2"))
    )
    scheduler.one_pass()
    for _ in range(2):
        clock.now += MINUTE
        scheduler.one_pass()
    assert reasons() == ["LookupError: no calendar"] * 2
    assert counted("two") == {"failed": 2}
    assert counted("three") == {"fired": 1}
    assert len(jobs()) == 1


def test_schedule_with_another_timing_begins_anew(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    start(one=entry(crontab("0"), catch_up="all")).one_pass()
    clock.now += 3 * HOUR
    start(one=entry(crontab("20"), catch_up="all")).one_pass()
    assert outcomes() == []
    clock.now += HOUR
    start().one_pass()
    assert outcomes() == [("fired", START.replace(hour=15, minute=20, second=0))]


def test_schedule_that_was_gone_begins_anew(start: Callable[..., Scheduler], clock: Clock) -> None:
    start(one=entry(catch_up="all"), two=entry()).one_pass()
    start(two=entry()).one_pass()
    clock.now += 3 * MINUTE
    start(one=entry(catch_up="all"), two=entry()).one_pass()
    assert outcomes() == []
    clock.now += MINUTE
    start().one_pass()
    assert counted() == {"fired": 1}


@pytest.mark.parametrize(
    ("zone", "day", "at", "hour", "due"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), "2", "01:30"),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2", "00:30"),
        ("America/New_York", date(2026, 3, 8), time(2, 30), "2", "07:30"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "1", "05:30"),
    ],
    ids=["Berlin gap", "Berlin fold", "New York gap", "New York fold"],
)
def test_daily_schedule_fires_once_in_the_night_the_clock_is_set(
    zone: str,
    day: date,
    at: time,
    hour: str,
    due: str,
    start: Callable[..., Scheduler],
    clock: Clock,
) -> None:
    clock.now = datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    rule = entry(crontab(str(at.minute), hour), timezone=zone, catch_up="all")
    for _ in range(4 * 9):
        # Another scheduler at each look: none remembers anything.
        start(one=rule, leads=True).one_pass()
        clock.now += timedelta(minutes=15)
    assert [(outcome, f"{moment:%H:%M}") for outcome, moment in outcomes()] == [("fired", due)]
    assert len(jobs()) == 1
