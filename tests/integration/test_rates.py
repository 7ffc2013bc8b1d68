"""Series of minutes, percentiles and what takes the most time: from the counted minutes, and what ended since."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db.models import QuerySet

from holdfast.ledger import minutes
from holdfast.ledger.histograms import slot_of
from holdfast.ledger.models import Minute
from holdfast.ledger.reads import rates
from holdfast.ledger.reads.rates import DAY, HOUR, Tail
from holdfast.ledger.states import State
from holdfast.ledger.tallies import Tally
from holdfast.upkeep.minutes import MinuteKeeper
from tests.finished import finished
from tests.integration.test_idle_statements import counted

MINUTE = timedelta(minutes=1)


def tally(n: int, *, run: float = 0.1) -> Tally:
    found = Tally(succeeded=n, run_seconds=n * run)
    found.runs[slot_of(run)] = n
    found.waits[slot_of(run / 2)] = n
    return found


@pytest.fixture
def now(ledger: str) -> datetime:
    return minutes.now()


@pytest.fixture
def day(ledger: str, now: datetime) -> str:
    """A minute of each hour of the last day, and of each of the last ten minutes; of two tasks, on two queues."""
    latest = minutes.begin_of(now) - MINUTE
    ago = {n * MINUTE for n in range(10)} | {n * HOUR for n in range(1, 30)}
    for each in ago:
        counts = {("mail", "fast"): tally(2), ("report", "slow"): tally(1, run=30.0)}
        assert minutes.write(latest - each, counts)
    return ledger


def test_hour_is_told_by_the_minute_without_gaps(day: str, now: datetime) -> None:
    series = rates.series(tail=Tail(since=now, until=now))
    assert series.step_seconds == 60
    assert len(series.points) in {61, 62}
    gaps = {
        after.at - before.at
        for before, after in zip(series.points, series.points[1:], strict=False)
    }
    assert gaps == {MINUTE}
    assert series.whole.succeeded in {30, 33}
    assert series.points[-1].seconds <= 60
    assert [point.succeeded for point in series.points[-6:-1]] == [3] * 5
    quiet = next(point for point in series.points if not point.ended)
    assert quiet.run.p50 is None


def test_day_is_told_in_longer_steps_and_by_name(day: str, now: datetime) -> None:
    series = rates.series(DAY, task="mail", tail=Tail(since=now, until=now))
    assert series.step_seconds == 600
    assert len(series.points) in {145, 146}
    assert series.whole.succeeded in {2 * 33, 2 * 34}
    assert series.whole.run.p50 == pytest.approx(0.1, rel=0.26)
    slow = rates.series(DAY, queue="slow")
    assert slow.whole.run.p99 == pytest.approx(30, rel=0.26)
    assert rates.series(DAY, queue="nowhere").whole.ended == 0
    with pytest.raises(ValueError, match="one of the two"):
        rates.series(task="mail", queue="slow")


def test_what_ended_since_the_last_counted_minute_is_there(ledger: str, now: datetime) -> None:
    finished(4, at=now - timedelta(seconds=1), task="mail", run=1.0)
    finished(1, at=now - timedelta(seconds=1), task="shop", state=State.FAILED)
    whole = rates.series().whole
    assert (whole.succeeded, whole.failed) == (4, 1)
    mail = rates.series(task="mail").whole
    assert (mail.succeeded, mail.failed) == (4, 0)
    assert mail.run.p50 == pytest.approx(1.0, rel=0.26)


def test_nothing_is_counted_twice_when_its_minute_is_written(ledger: str, now: datetime) -> None:
    finished(3, at=minutes.begin_of(now - minutes.SETTLED) - timedelta(seconds=5))
    before = rates.series().whole.succeeded
    MinuteKeeper().one_pass()
    assert Minute.objects.using(ledger).exists()
    assert rates.series().whole.succeeded == before == 3


def test_minute_that_is_written_after_the_tail_was_counted_is_not_there_twice(
    ledger: str, now: datetime
) -> None:
    finished(3, at=minutes.begin_of(now - minutes.SETTLED) - timedelta(seconds=5))
    tail = rates.count_tail()
    MinuteKeeper().one_pass()
    assert rates.series(tail=tail).whole.succeeded == 3


def test_series_costs_as_much_with_many_names_as_with_few(ledger: str, now: datetime) -> None:
    latest = minutes.begin_of(now) - MINUTE
    for ago in range(30):
        counts = {(f"task-{n}", f"queue-{n}"): tally(1) for n in range(120)}
        minutes.write(latest - ago * MINUTE, counts)
    with counted(ledger) as statements:
        assert rates.series(tail=Tail(since=now, until=now)).whole.succeeded == 30 * 120
    assert len(statements) == 1
    read: QuerySet[Minute] = Minute.objects.using(ledger).filter(task="", queue="")
    assert read.count() == 30
    # What is not told apart is not lost.
    assert rates.series(task="*", tail=Tail(since=now, until=now)).whole.succeeded == 30 * 20


def test_tasks_are_told_by_the_time_they_took(day: str) -> None:
    first, second = rates.top_tasks()
    assert (first.task, second.task) == ("report", "mail")
    assert first.share == pytest.approx(30 / 30.2, rel=0.01)
    assert first.run.p95 == pytest.approx(30, rel=0.26)
    assert (second.ended, second.failed) in {(20, 0), (22, 0)}
    assert [each.task for each in rates.top_tasks(limit=1)] == ["report"]
