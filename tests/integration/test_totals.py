"""Sums that only rise: each minute and each call is in them once, whoever counts, and their names are bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.ledger import minutes, totals, transitions
from holdfast.ledger.ids import bound_at, new_ids
from holdfast.ledger.models import Job, Total
from holdfast.ledger.states import State
from holdfast.ledger.tallies import OTHERS, Tally
from holdfast.upkeep.minutes import MinuteKeeper
from holdfast.upkeep.recorded import MOST, RecordedKeeper
from tests.finished import finished
from tests.integration.test_idle_statements import counted
from tests.integration.test_minutes import last_full
from tests.rows import new_job

SECOND = timedelta(seconds=1)


@pytest.fixture
def keeper() -> RecordedKeeper:
    return RecordedKeeper()


def of(*, task: str = "", queue: str = "") -> Tally:
    return next(one.tally for one in totals.sums() if (one.task, one.queue) == (task, queue))


def record(ledger: str, *, at: datetime, count: int = 1, task: str = "t", queue: str = "q") -> None:
    """Record jobs whose ids say that they were made at a moment."""
    opening = bound_at(at)[:24]
    made = Job.objects.using(ledger).count()
    ids = [f"{opening}{made + n:012x}" for n in range(count)]
    transitions.record([new_job(id, task=task, queue=queue) for id in ids])


def begun(ledger: str, *, ago: timedelta) -> datetime:
    """Let counting of calls have begun so long ago; return when."""
    since = totals.begin_recorded() - ago
    Total.objects.using(ledger).update(recorded_until=since)
    return since


def test_minute_is_added_to_the_sums_once(ledger: str) -> None:
    finished(3, at=last_full(), task="mail", queue="slow", wait=2.0, run=0.5)
    finished(1, at=last_full(), task="mail", queue="fast", state=State.FAILED, attempts=4)
    MinuteKeeper().one_pass()
    MinuteKeeper().one_pass()
    whole, mail, slow = of(), of(task="mail"), of(queue="slow")
    assert (whole.succeeded, whole.failed, whole.retried) == (3, 1, 3)
    assert (mail.succeeded, mail.runs.total()) == (3, 4)
    assert mail.run_seconds == pytest.approx(1.6, abs=0.01)
    assert (slow.succeeded, slow.waits.total()) == (3, 3)


def test_sums_rise_with_each_minute_and_do_not_fall_when_minutes_are_pruned(ledger: str) -> None:
    finished(2, at=last_full(3), task="mail")
    MinuteKeeper().one_pass()
    finished(5, at=last_full(1), task="mail")
    finished(1, at=last_full(1), task="shop")
    MinuteKeeper().one_pass()
    minutes.prune(older_than=timedelta(0), limit=100)
    assert of(task="mail").succeeded == 7
    assert of(task="mail").runs.total() == 7
    assert of().succeeded == 8


def test_minute_that_somebody_else_has_written_is_not_added_again(ledger: str) -> None:
    at = last_full()
    finished(2, at=at, task="mail")
    tallies = minutes.ended_between(at, at + minutes.MINUTE)
    assert minutes.write(at, tallies)
    assert not minutes.write(at, tallies)
    assert of(task="mail").succeeded == 2


def test_names_of_sums_are_bounded_and_those_that_stand_keep_theirs(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "MOST_NAMES", 3)
    at = last_full(5)
    minutes.write(at, {("first", "q"): Tally(succeeded=1)})
    many = {(f"task-{n}", "q"): Tally(succeeded=10 - n) for n in range(6)}
    minutes.write(at + minutes.MINUTE, many)
    minutes.write(at + 2 * minutes.MINUTE, many | {("first", "q"): Tally(succeeded=1)})
    found = {one.task: one.tally.succeeded for one in totals.sums() if not one.queue}
    assert found == {"": 92, "first": 2, "task-0": 20, "task-1": 18, OTHERS: 52}
    assert of(queue="q").succeeded == 92


def test_sum_of_a_task_that_is_gone_makes_room_and_the_others_stay(ledger: str) -> None:
    minutes.write(last_full(), {("old", "q"): Tally(succeeded=1), ("new", "q"): Tally(succeeded=1)})
    rows = Total.objects.using(ledger)
    rows.filter(task="old").update(changed_at=minutes.now() - totals.KEPT - SECOND)
    rows.filter(task="", queue="").update(changed_at=minutes.now() - totals.KEPT - SECOND)
    assert totals.prune() == 1
    assert {one.task for one in totals.sums()} == {"", "new"}


def test_calls_are_counted_by_the_time_in_their_ids_once(
    ledger: str, keeper: RecordedKeeper
) -> None:
    since = begun(ledger, ago=timedelta(minutes=3))
    record(ledger, at=since - SECOND, count=5)
    record(ledger, at=since + SECOND, count=2, task="mail")
    record(ledger, at=since + timedelta(seconds=130), count=3, task="mail", queue="slow")
    # Sorts among them, and says nothing of a time.
    transitions.record([new_job(bound_at(since + SECOND)[:14] + "4" + bound_at(since)[15:])])
    transitions.record([new_job("order-17"), new_job("ffff-17")])
    keeper.one_pass()
    RecordedKeeper().one_pass()
    assert of().recorded == 5
    assert of(task="mail").recorded == 5
    assert of(queue="slow").recorded == 3


@pytest.mark.parametrize("apart", [False, True])
def test_job_whose_id_tells_no_time_is_counted_with_its_end(ledger: str, *, apart: bool) -> None:
    begun(ledger, ago=timedelta(minutes=3))
    steps = finished(2, at=last_full(), task="step", queue="slow", kept_apart=apart)
    calls = finished(3, at=last_full(), task="call", queue="slow", kept_apart=apart)
    ids = {steps[0]: "order-2026-07-01"} | dict(zip(calls, new_ids(3), strict=True))
    for old, new in ids.items():
        Job.objects.using(ledger).filter(id=old).update(id=new)
    MinuteKeeper().one_pass()
    MinuteKeeper().one_pass()
    assert (of(task="step").recorded, of(task="call").recorded) == (2, 0)
    assert (of().recorded, of(queue="slow").recorded) == (2, 2)


def test_call_that_may_not_be_committed_yet_is_left_for_later(
    ledger: str, keeper: RecordedKeeper
) -> None:
    begun(ledger, ago=timedelta(minutes=1))
    record(ledger, at=minutes.now() - timedelta(seconds=5))
    keeper.one_pass()
    assert of().recorded == 0


def test_counting_begins_when_somebody_counts_first(ledger: str, keeper: RecordedKeeper) -> None:
    record(ledger, at=minutes.now() - timedelta(hours=1), count=3)
    keeper.one_pass()
    assert of().recorded == 0


def test_of_two_that_count_the_same_calls_one_does(ledger: str) -> None:
    since = begun(ledger, ago=timedelta(minutes=2))
    record(ledger, at=since + SECOND, count=4)
    until = since + timedelta(minutes=1)
    assert totals.count_recorded(since, until, before=since) == 4
    assert totals.count_recorded(since, until, before=since) is None
    assert of().recorded == 4


def test_keeper_goes_on_where_another_one_has_counted(ledger: str, keeper: RecordedKeeper) -> None:
    since = begun(ledger, ago=timedelta(minutes=2))
    record(ledger, at=since + SECOND, count=1)
    keeper.one_pass()
    written = totals.begin_recorded()
    record(ledger, at=written + SECOND, count=2)
    assert totals.count_recorded(written, written + 2 * SECOND, before=written) == 2
    record(ledger, at=written + 3 * SECOND, count=4)
    # As it would be had it looked before them.
    keeper._since = written
    keeper.one_pass()
    assert of().recorded == 7


def test_long_absence_is_made_up_for_a_few_minutes_at_a_time(
    ledger: str, keeper: RecordedKeeper
) -> None:
    since = begun(ledger, ago=timedelta(minutes=30))
    for n in range(MOST + 2):
        record(ledger, at=since + timedelta(minutes=3 * n), count=1)
    assert keeper.one_pass()
    assert of().recorded == MOST
    assert not keeper.one_pass()
    assert of().recorded == MOST + 2


def test_idle_minutes_ask_nothing_for_a_while(ledger: str) -> None:
    now = [1000.0]
    keeper = RecordedKeeper(monotonic=lambda: now[0])
    keeper.one_pass(quiet=True)
    with counted(ledger) as rested:
        now[0] += 60
        keeper.one_pass(quiet=True)
    with counted(ledger) as busy:
        keeper.one_pass()
    assert (len(rested), len(busy)) == (0, 1)


def test_calls_of_quiet_moments_are_counted_in_time(ledger: str) -> None:
    now = [1000.0]
    keeper = RecordedKeeper(monotonic=lambda: now[0])
    since = begun(ledger, ago=timedelta(minutes=3))
    record(ledger, at=since + SECOND)
    keeper.one_pass(quiet=True)
    written = totals.begin_recorded()
    record(ledger, at=written + SECOND)
    # As it would be had it looked before that one came.
    keeper._since = written
    now[0] += 60
    keeper.one_pass(quiet=True)
    assert of().recorded == 2


def test_call_that_is_too_young_to_be_counted_keeps_the_counting_awake(ledger: str) -> None:
    now = [1000.0]
    keeper = RecordedKeeper(monotonic=lambda: now[0])
    begun(ledger, ago=timedelta(minutes=3))
    record(ledger, at=minutes.now() - 5 * SECOND)
    keeper.one_pass(quiet=True)
    now[0] += 60
    with counted(ledger) as looked:
        keeper.one_pass(quiet=True)
    assert len(looked) == 1


def test_clock_that_is_set_back_leaves_counting_going(ledger: str, keeper: RecordedKeeper) -> None:
    ahead = totals.begin_recorded() + timedelta(hours=2)
    Total.objects.using(ledger).update(recorded_until=ahead)
    keeper.one_pass()
    # As it would be some seconds later.
    keeper._since -= 5 * SECOND
    record(ledger, at=keeper._since + SECOND)
    keeper.one_pass()
    assert of().recorded == 1
    assert totals.begin_recorded() < datetime.now(UTC)
