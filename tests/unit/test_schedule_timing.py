"""Due times of schedules: the same from wherever they are asked, across changes of the clock too."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab, schedule, solar

from holdfast import Celery
from holdfast.beat.timing import Timing, newest, timing_of
from holdfast.exceptions import ConfigurationError

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")
START = datetime(2026, 1, 1, tzinfo=UTC)
# A day in whose night the clock is set: forward, back.
CHANGES = {
    BERLIN: (date(2026, 3, 29), date(2026, 10, 25)),
    NEW_YORK: (date(2026, 3, 8), date(2026, 11, 1)),
}
# An hour that is left out and shown twice on those days.
HOUR = {BERLIN: 2, NEW_YORK: 2}
TWICE = {BERLIN: 2, NEW_YORK: 1}


@pytest.fixture
def app() -> Celery:
    return Celery("timing", broker="redis://127.0.0.1:1/0", set_as_current=False)


@pytest.fixture
def timing(app: Celery) -> Callable[..., Timing]:
    def make(rule: Any, zone: tzinfo | None = None) -> Timing:
        return timing_of(rule, app=app, zone=zone)

    return make


def due_times(timing: Timing, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield all due times after `start`, up to `end`."""
    due = timing.after(start, anchor=START)
    while due is not None and due <= end:
        yield due
        due = timing.after(due, anchor=START)


def midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)


def shown(timing: Timing, day: date, zone: ZoneInfo) -> list[str]:
    """Return what the clock of a zone shows at the due times of a local day, with its offset from UTC in hours."""
    start = midnight(day, zone).astimezone(UTC) - timedelta(microseconds=1)
    end = midnight(day + timedelta(days=1), zone).astimezone(UTC) - timedelta(microseconds=1)
    local = [due.astimezone(zone) for due in due_times(timing, start, end)]
    return [f"{at:%H:%M}{(at.utcoffset() or timedelta()) / timedelta(hours=1):+g}" for at in local]


def test_interval_is_counted_from_its_anchor(timing: Callable[..., Timing]) -> None:
    every = timing(90)
    assert every.after(START, anchor=START) == START + timedelta(seconds=90)
    assert every.after(START + timedelta(seconds=100), anchor=START) == START + timedelta(
        seconds=180
    )
    assert every.after(START - timedelta(microseconds=1), anchor=START) == START
    assert every.text == timing(timedelta(minutes=1.5)).text == timing(schedule(90)).text


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK], ids=str)
def test_time_that_the_clock_skips_is_due_once_an_hour_later(
    zone: ZoneInfo, timing: Callable[..., Timing]
) -> None:
    rule = timing(crontab(minute="30", hour=str(HOUR[zone])), zone)
    (spring, _), hour = CHANGES[zone], HOUR[zone]
    summer = midnight(spring + timedelta(days=1), zone).utcoffset() or timedelta()
    offset = summer / timedelta(hours=1)
    assert shown(rule, spring, zone) == [f"{hour + 1:02}:30{offset:+g}"]
    assert shown(rule, spring + timedelta(days=1), zone) == [f"{hour:02}:30{offset:+g}"]
    assert shown(rule, spring - timedelta(days=1), zone) == [f"{hour:02}:30{offset - 1:+g}"]


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK], ids=str)
def test_time_that_the_clock_shows_twice_is_due_the_first_time_only(
    zone: ZoneInfo, timing: Callable[..., Timing]
) -> None:
    rule = timing(crontab(minute="30", hour=str(TWICE[zone])), zone)
    (_, autumn), hour = CHANGES[zone], TWICE[zone]
    summer = midnight(autumn, zone).utcoffset() or timedelta()
    offset = summer / timedelta(hours=1)
    assert shown(rule, autumn, zone) == [f"{hour:02}:30{offset:+g}"]
    assert shown(rule, autumn + timedelta(days=1), zone) == [f"{hour:02}:30{offset - 1:+g}"]


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK], ids=str)
def test_rule_for_every_hour_is_due_in_every_hour_that_passes(
    zone: ZoneInfo, timing: Callable[..., Timing]
) -> None:
    rule = timing(crontab(minute="*/15"), zone)
    spring, autumn = CHANGES[zone]
    for day, hours in ((spring, 23), (autumn, 25)):
        start = midnight(day, zone).astimezone(UTC) - timedelta(microseconds=1)
        found = list(due_times(rule, start, start + timedelta(hours=hours)))
        assert len(found) == 4 * hours
        assert {later - due for due, later in pairwise(found)} == {timedelta(minutes=15)}


@pytest.mark.parametrize("hours", ["2,3", "1-3", "0-5"])
def test_two_times_that_fall_together_in_the_skipped_hour_are_one(
    hours: str, timing: Callable[..., Timing]
) -> None:
    rule = timing(crontab(minute="15", hour=hours), BERLIN)
    found = shown(rule, CHANGES[BERLIN][0], BERLIN)
    assert found.count("03:15+2") == 1
    assert len(found) == len(set(found)) == len(rule_hours(hours)) - 1


def test_change_of_the_clock_is_seen_from_months_before(timing: Callable[..., Timing]) -> None:
    # 02:00 becomes 02:30 there: 02:20 is due at 02:50, after 02:40.
    rule = timing(crontab("20,40", "2", day_of_month="4", month_of_year="10"), LORD_HOWE)
    day = date(2026, 10, 4)
    assert shown(rule, day, LORD_HOWE) == ["02:40+11", "02:50+11"]
    first = rule.after(START, anchor=START)
    assert first == datetime.combine(day, time(2, 40), tzinfo=LORD_HOWE)


def rule_hours(text: str) -> set[int]:
    return set(crontab(hour=text).hour)


@pytest.mark.parametrize(
    "rule",
    [
        crontab(minute="30", hour="2"),
        crontab(minute="10,30,50", hour="1-3"),
        crontab(minute="*/20"),
        crontab(minute="0", hour="0", day_of_month="1"),
        crontab(minute="5", hour="23", day_of_week="sun"),
        crontab(minute="45", hour="1", day_of_month="29-31", month_of_year="3,10"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("zone", [UTC, BERLIN, NEW_YORK, LORD_HOWE, APIA], ids=str)
def test_every_moment_has_the_same_next_due_time_whoever_asks(
    rule: crontab, zone: tzinfo, timing: Callable[..., Timing]
) -> None:
    made = timing(rule, zone)
    chance = random.Random(7)
    for change in (
        date(2026, 3, 8),
        date(2026, 3, 29),
        date(2026, 4, 5),
        date(2026, 10, 4),
        date(2026, 10, 25),
        date(2026, 11, 1),
        date(2011, 12, 30),
    ):
        start = midnight(change, UTC) - timedelta(days=2)
        end = start + timedelta(days=4)
        listed = list(due_times(made, start, end))
        assert listed == sorted(set(listed))
        for _ in range(40):
            moment = start + chance.random() * (end - start)
            later = [due for due in listed if due > moment]
            found = made.after(moment, anchor=START)
            assert found is not None
            assert found == later[0] if later else found > end


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK], ids=str)
def test_daily_rule_is_due_once_on_each_day_of_a_year(
    zone: ZoneInfo, timing: Callable[..., Timing]
) -> None:
    start = datetime(2026, 1, 1, tzinfo=zone).astimezone(UTC)
    for hour in ("1", "2", "3"):
        rule = timing(crontab(minute="30", hour=hour), zone)
        days = [
            d.astimezone(zone).date() for d in due_times(rule, start, start + timedelta(days=364))
        ]
        assert len(days) == len(set(days)) == 364


def test_crontab_follows_the_zone_of_the_app(timing: Callable[..., Timing], app: Celery) -> None:
    app.conf.timezone = "Asia/Tokyo"
    due = timing(crontab(minute="0", hour="9")).after(START, anchor=START)
    assert due == START + timedelta(days=1)


def test_rounded_interval_is_due_at_the_full_hour(timing: Callable[..., Timing]) -> None:
    moment = START + timedelta(minutes=23)
    rule = timing(schedule(timedelta(hours=1), relative=True))
    assert rule.after(moment, anchor=moment) == START + timedelta(hours=1)


def test_sunrise_is_due_once_a_day(timing: Callable[..., Timing]) -> None:
    pytest.importorskip("ephem")
    rule = timing(solar("sunrise", 52.5, 13.4))
    found = list(due_times(rule, START, START + timedelta(days=30)))
    assert len(found) == 30
    assert all(6 <= due.hour <= 8 for due in found)


def test_only_the_latest_due_times_are_looked_for(timing: Callable[..., Timing]) -> None:
    asked = 0
    minutely = timing(crontab())

    def due_after(moment: datetime) -> datetime | None:
        nonlocal asked
        asked += 1
        return minutely.after(moment, anchor=START)

    end = START + timedelta(days=3650)
    found, more = newest(due_after, after=START, until=end, limit=10)
    assert found == [end - timedelta(minutes=n) for n in reversed(range(10))]
    assert more
    assert asked < 100


def test_all_due_times_are_found_where_there_are_few(timing: Callable[..., Timing]) -> None:
    daily = timing(crontab("0", "4"))
    found, more = newest(
        lambda moment: daily.after(moment, anchor=START),
        after=START,
        until=START + timedelta(days=5),
        limit=10,
    )
    assert (len(found), more) == (5, False)


@pytest.mark.parametrize("wrong", [0, -1, timedelta(), "daily", None])
def test_what_is_no_schedule_is_refused_with_the_repair(
    wrong: Any, timing: Callable[..., Timing]
) -> None:
    with pytest.raises(ConfigurationError, match="give"):
        timing(wrong)
