"""When a schedule is due, in words: as Celery has read it, whichever way it was written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab, schedule, solar
from django.utils.translation import override

from holdfast.beat.timing import Crontab, Estimated, Interval, Once
from holdfast.beat.words import in_words

BERLIN = ZoneInfo("Europe/Berlin")


def said(text: str) -> str:
    minute, hour, month_day, month, week_day = text.split()
    rule = crontab(
        minute=minute, hour=hour, day_of_month=month_day, month_of_year=month, day_of_week=week_day
    )
    words = in_words(Crontab(rule, zone=BERLIN))
    assert words.endswith(", Europe/Berlin")
    return words.removesuffix(", Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5 7 * * 1-5", "at 07:05 on weekdays"),
        ("5 7 * * mon-fri", "at 07:05 on weekdays"),
        ("0 4 * * *", "at 04:00 every day"),
        ("0 0 * * *", "at 00:00 every day"),
        ("0 7,19 * * *", "at 07:00 and 19:00 every day"),
        ("0 6 * * 6,0", "at 06:00 at weekends"),
        ("0 12 * * 0", "at 12:00 on Sunday"),
        ("0 12 * * 1-4", "at 12:00 from Monday to Thursday"),
        ("30 2 1,15 * *", "at 02:30 on days 1 and 15 of the month"),
        ("0 3 1-7 * *", "at 03:00 on days 1 to 7 of the month"),
        ("0 0 1 1,7 *", "at 00:00 on day 1 of the month in January and July"),
        # Celery wants both to fit, where cron wants one of them.
        ("0 0 13 * 5", "at 00:00 on day 13 of the month, but only on Friday"),
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0,15,30,45 * * * *", "every 15 minutes"),
        ("7 * * * *", "every hour at :07"),
        ("5,10,20 * * * *", "every hour at :05, :10 and :20"),
        ("0 */2 * * *", "every 2 hours at :00"),
        ("*/5 9-17 * * 1-5", "every 5 minutes from 09:00 to 17:55 on weekdays"),
        ("0 9-17 * * *", "every hour at :00 from 09:00 to 17:00 every day"),
        ("* 8 * * *", "every minute in the hour 08 every day"),
    ],
)
def test_crontab_is_said_in_words(text: str, words: str) -> None:
    assert said(text) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "every second"),
        (0.5, "every 0.5 seconds"),
        (30, "every 30 seconds"),
        (60, "every minute"),
        (90, "every 90 seconds"),
        (300, "every 5 minutes"),
        (3600, "every hour"),
        (86_400, "every day"),
        (172_800, "every 2 days"),
    ],
)
def test_interval_is_said_in_its_largest_unit(seconds: float, words: str) -> None:
    assert in_words(Interval(timedelta(seconds=seconds))) == words


def test_sun_moment_and_what_is_unknown() -> None:
    sun = Estimated(solar("sunset", 52.5, -13.4), zone=UTC)
    assert in_words(sun) == "at sunset at 52.5° N 13.4° W"
    rounded = Estimated(schedule(timedelta(hours=1), relative=True), zone=UTC)
    assert in_words(rounded) == "every hour, rounded to the clock"
    once = Once(datetime(2026, 3, 1, 13, 0, tzinfo=BERLIN))
    assert in_words(once) == "once, at 2026-03-01 12:00:00 UTC"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5 7 * * 1-5", "um 07:05 von Montag bis Freitag"),
        ("0 7,19 * * *", "um 07:00 und 19:00 jeden Tag"),
        ("30 2 1,15 * *", "um 02:30 an den Tagen 1 und 15 des Monats"),
        ("0 0 1 1,7 *", "um 00:00 am Tag 1 des Monats im Januar und Juli"),
        ("*/10 * * * *", "alle 10 Minuten"),
    ],
)
def test_crontab_is_said_in_another_language(text: str, words: str) -> None:
    with override("de"):
        assert said(text) == words
