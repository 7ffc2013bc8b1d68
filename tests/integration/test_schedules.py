"""Schedules pass by pass, on both databases, by a clock that the test sets."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.beat import BeatLazyFunc
from celery.schedules import crontab, schedule
from celery.signals import after_task_publish
from django.db import connections, transaction
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
from holdfast.ledger.database import atomic, dialect
from holdfast.ledger.models import Duty, Job, Payload
from holdfast.ledger.schedule_models import Occurrence, Schedule
from holdfast.testing.services import RedisServer
from tests.eventually import eventually
from tests.surroundings import current_app

START = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Clock:
    """The database's clock as the schedulers read it."""

    def __init__(self) -> None:
        self.now = START


@pytest.fixture
def clock(ledger: str, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(type(dialect()), "now", lambda _: clock.now)
    return clock


@pytest.fixture
def app(redis_server: RedisServer) -> Iterator[Celery]:
    with current_app(redis_server.url) as app:

        @app.task(name="schedules.note", shared=False)
        def note(*args: Any, **kwargs: Any) -> None:
            """Be called."""

        yield app


@pytest.fixture
def start(app: Celery, clock: Clock) -> Iterator[Callable[..., Scheduler]]:
    """Start a scheduler of the entries given last, in place of those before it or beside them."""
    started: list[Scheduler] = []

    def start(*, beside: bool = False, leads: bool = False, **entries: dict[str, Any]) -> Scheduler:
        if entries:
            app.conf.beat_schedule = entries
        for before in [] if beside or leads else started:
            before.close()
        scheduler = Scheduler(app)
        if leads:
            # It believes in its duty whatever others do, as one that froze and woke.
            scheduler._leader.leads = lambda: True  # type: ignore[method-assign]
        started.append(scheduler)
        return scheduler

    yield start
    for scheduler in started:
        scheduler.close()


def entry(when: Any = None, **more: Any) -> dict[str, Any]:
    return {"task": "schedules.note", "schedule": crontab() if when is None else when, **more}


def outcomes(name: str = "one") -> list[tuple[str, datetime]]:
    rows = Occurrence.objects.using(get_settings().database).filter(schedule=name)
    return list(rows.order_by("due_at").values_list("outcome", "due_at"))


def counted(name: str = "one") -> dict[str, int]:
    return dict(Counter(outcome for outcome, _ in outcomes(name)))


def jobs() -> set[str]:
    return set(Job.objects.using(get_settings().database).values_list("id", flat=True))


def fired() -> list[str]:
    rows = Occurrence.objects.using(get_settings().database).filter(outcome="fired")
    return list(rows.values_list("job", flat=True))


def reasons(name: str = "one") -> list[str]:
    rows = Occurrence.objects.using(get_settings().database).filter(schedule=name)
    return list(rows.order_by("due_at").values_list("reason", flat=True))


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
            barrier.wait(30)
            if stop.is_set():
                break
            for _ in range(6):
                scheduler.tick()
            barrier.wait(30)
        connections.close_all()

    threads = [threading.Thread(target=run, args=(one,)) for one in many]
    for thread in threads:
        thread.start()
    for _ in range(8):
        clock.now += MINUTE
        barrier.wait(30)
        barrier.wait(30)
    stop.set()
    barrier.wait(30)
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


def test_leader_frozen_in_a_transaction_does_not_hold_up_its_schedule(
    start: Callable[..., Scheduler], clock: Clock, ledger: str
) -> None:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("SQLite has one writer: frozen in a transaction it stops everybody")
    frozen, after = start(one=entry()), start(beside=True)
    frozen.one_pass()
    clock.now += MINUTE
    inside, thaw = threading.Event(), threading.Event()

    def freeze(**_: Any) -> None:
        inside.set()
        thaw.wait(30)

    def run() -> None:
        frozen.tick()
        connections.close_all()

    after_task_publish.connect(freeze)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert inside.wait(10)
        after_task_publish.disconnect(freeze)
        Duty.objects.using(ledger).update(until=Now() - MINUTE)
        after.one_pass()
        assert counted() == {"fired": 1}
    finally:
        after_task_publish.disconnect(freeze)
        thaw.set()
        thread.join(30)
    assert counted() == {"fired": 1}
    assert set(fired()) == jobs()


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
