"""Schedules in the tables of django-celery-beat, as its admin writes them, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import modify_settings, override_settings
from django.utils import timezone

import holdfast
from holdfast import Celery
from holdfast.beat import sources
from holdfast.beat.scheduler import Scheduler
from holdfast.conf import get_settings
from holdfast.ledger.database import dialect
from holdfast.ledger.models import Job, Payload
from holdfast.ledger.models.schedules import Occurrence
from holdfast.testing.services import RedisServer
from tests.eventually import eventually
from tests.harness import new_site
from tests.surroundings import current_app

pytest.importorskip("django_celery_beat")

SECOND = timedelta(seconds=1)


class InLedger:
    """Keeps the tables beside the ledger's, as in a project with one database."""

    def _alias(self, model: Any, **_: Any) -> str | None:
        return get_settings().database if model._meta.app_label == "django_celery_beat" else None

    db_for_read = db_for_write = _alias


class Clock:
    """The database's clock as the schedulers read it: the real one, and what the test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(type(dialect()), "now", lambda _: clock.now)
    return clock


@pytest.fixture
def models(ledger: str) -> Iterator[Any]:
    """The models of django-celery-beat, with empty tables in the ledger's database."""
    with (
        modify_settings(INSTALLED_APPS={"append": "django_celery_beat"}),
        override_settings(DATABASE_ROUTERS=[InLedger()]),
    ):
        from django_celery_beat import models

        call_command("migrate", "django_celery_beat", database=ledger, verbosity=0)
        for name in ("PeriodicTask", "PeriodicTasks", "CrontabSchedule", "IntervalSchedule"):
            getattr(models, name).objects.all().delete()
        yield models


@pytest.fixture
def app(redis_server: RedisServer) -> Iterator[Celery]:
    with current_app(redis_server.url) as app:

        @app.task(name="schedules.note", shared=False)
        def note(*args: Any, **kwargs: Any) -> None:
            """Be called."""

        yield app


@pytest.fixture
def scheduler(
    app: Celery, clock: Clock, models: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scheduler]:
    monkeypatch.setattr(sources, "LOOK_SECONDS", 0)
    scheduler = Scheduler(app)
    yield scheduler
    scheduler.close()


@pytest.fixture
def periodic(models: Any) -> Callable[..., Any]:
    """Save a task with one kind of schedule, as the admin does."""

    def periodic(name: str = "one", *, every: int | None = None, **more: Any) -> Any:
        if every is not None:
            more["interval"] = models.IntervalSchedule.objects.create(every=every, period="seconds")
        return models.PeriodicTask.objects.create(name=name, task="schedules.note", **more)

    return periodic


def outcomes(name: str = "one") -> list[str]:
    rows = Occurrence.objects.using(get_settings().database).filter(schedule=name)
    return list(rows.order_by("due_at").values_list("outcome", flat=True))


def the_job() -> tuple[Job, bytes, dict[str, Any]]:
    """Return the one job with its body and its headers."""
    (job,) = Job.objects.using(get_settings().database).all()
    payload = Payload.objects.using(get_settings().database).get(job=job.id)
    return job, bytes(payload.body), json.loads(payload.headers)


def test_interval_makes_a_job_as_its_row_says(
    scheduler: Scheduler, clock: Clock, periodic: Callable[..., Any]
) -> None:
    row = periodic(
        every=10,
        args="[1]",
        kwargs='{"x": 2}',
        queue="reports",
        priority=4,
        expire_seconds=30,
        headers='{"tenant": "a"}',
    )
    scheduler.one_pass()
    assert outcomes() == []
    clock.ahead = 10 * SECOND
    scheduler.one_pass()
    assert outcomes() == ["fired"]
    job, body, headers = the_job()
    assert (job.queue, job.priority) == ("reports", 4)
    assert job.expires_at is not None
    assert body.startswith(b'[[1], {"x": 2}')
    assert (headers["tenant"], headers["periodic_task_name"]) == ("a", "one")
    row.refresh_from_db()
    assert row.total_run_count == 1
    assert row.last_run_at is not None


def test_crontab_has_the_zone_of_its_row(
    scheduler: Scheduler, models: Any, periodic: Callable[..., Any]
) -> None:
    rule = models.CrontabSchedule.objects.create(minute="30", hour="2", timezone="Asia/Tokyo")
    periodic(crontab=rule)
    scheduler.one_pass()
    (info,) = holdfast.schedules()
    assert info.timing == "crontab 30 2 * * * in Asia/Tokyo"
    assert info.next_due_at is not None
    assert f"{info.next_due_at.astimezone(UTC):%H:%M}" == "17:30"
    assert info.source == "database"


def test_solar_event_is_scheduled(
    scheduler: Scheduler, clock: Clock, models: Any, periodic: Callable[..., Any]
) -> None:
    pytest.importorskip("ephem")
    rule = models.SolarSchedule.objects.create(event="solar_noon", latitude=52.5, longitude=13.4)
    periodic(solar=rule, headers='{"holdfast": {"catch_up": "last"}}')
    scheduler.one_pass()
    clock.ahead = timedelta(days=1, hours=1)
    scheduler.one_pass()
    assert outcomes()[-1] == "fired"


def test_clocked_task_runs_once_and_is_switched_off(
    scheduler: Scheduler, clock: Clock, models: Any, periodic: Callable[..., Any]
) -> None:
    moment = models.ClockedSchedule.objects.create(clocked_time=timezone.now() + 20 * SECOND)
    row = periodic(clocked=moment, one_off=True)
    scheduler.one_pass()
    assert outcomes() == []
    for _ in range(3):
        clock.ahead += 20 * SECOND
        scheduler.one_pass()
    assert outcomes() == ["fired"]
    row.refresh_from_db()
    assert not row.enabled


def test_clocked_task_that_no_scheduler_saw_in_time_runs_late(
    scheduler: Scheduler, clock: Clock, models: Any, periodic: Callable[..., Any]
) -> None:
    moment = models.ClockedSchedule.objects.create(clocked_time=timezone.now() + 20 * SECOND)
    periodic(clocked=moment, one_off=True)
    clock.ahead = timedelta(hours=2)
    scheduler.one_pass()
    assert outcomes() == ["fired"]


def test_clocked_task_saved_after_its_time_does_not_run(
    scheduler: Scheduler, models: Any, periodic: Callable[..., Any]
) -> None:
    moment = models.ClockedSchedule.objects.create(clocked_time=timezone.now() - 20 * SECOND)
    periodic(clocked=moment, one_off=True)
    scheduler.one_pass()
    assert outcomes() == []


def test_one_off_task_runs_again_only_when_it_is_switched_on_again(
    scheduler: Scheduler, clock: Clock, periodic: Callable[..., Any]
) -> None:
    row = periodic(every=10, one_off=True)
    scheduler.one_pass()
    for _ in range(3):
        clock.ahead += 10 * SECOND
        scheduler.one_pass()
    assert outcomes() == ["fired"]
    row.refresh_from_db()
    row.enabled = True
    row.save()
    for _ in range(3):
        scheduler.one_pass()
        clock.ahead += 10 * SECOND
    assert outcomes() == ["fired", "fired"]


def test_edits_are_seen_at_the_next_look(
    scheduler: Scheduler, clock: Clock, models: Any, periodic: Callable[..., Any]
) -> None:
    scheduler.one_pass()
    row = periodic(every=10)
    scheduler.one_pass()
    clock.ahead = 10 * SECOND
    scheduler.one_pass()
    assert outcomes() == ["fired"]

    row.refresh_from_db()
    row.enabled = False
    row.save()
    clock.ahead = 20 * SECOND
    scheduler.one_pass()
    assert outcomes() == ["fired"]

    row.enabled, row.interval.every = True, 3600
    row.interval.save()
    row.save()
    scheduler.one_pass()
    assert holdfast.schedules()[0].timing == "every 3600 s"
    clock.ahead += 30 * SECOND
    scheduler.one_pass()
    assert outcomes() == ["fired"], "nothing of the time in which it was off is caught up"

    row.delete()
    clock.ahead += 3600 * SECOND
    scheduler.one_pass()
    assert outcomes() == ["fired"]
    assert holdfast.schedules() == []


def test_task_begins_at_its_start_and_ends_at_its_expiry(
    scheduler: Scheduler, clock: Clock, periodic: Callable[..., Any]
) -> None:
    begin = timezone.now() + timedelta(minutes=5)
    periodic(every=60, start_time=begin, expires=begin + timedelta(seconds=150))
    scheduler.one_pass()
    for _ in range(40):
        clock.ahead += timedelta(seconds=15)
        scheduler.one_pass()
    rows = Occurrence.objects.using(get_settings().database).order_by("due_at")
    assert [(row.due_at - begin).total_seconds() for row in rows] == [0, 60, 120]


def test_catch_up_rule_stands_in_the_headers_and_the_condition_does_not(
    scheduler: Scheduler, clock: Clock, periodic: Callable[..., Any]
) -> None:
    said = {"catch_up": "all", "catch_up_max": 2, "should_run": "os.abort"}
    periodic(every=10, headers=json.dumps({"holdfast": said, "tenant": "a"}))
    scheduler.one_pass()
    clock.ahead = 40 * SECOND
    scheduler.one_pass()
    assert outcomes() == ["missed", "missed", "fired", "fired"]
    stored = Payload.objects.using(get_settings().database).values_list("headers", flat=True)
    assert all("abort" not in headers and '"tenant": "a"' in headers for headers in stored)


def test_catch_up_rule_stands_in_the_settings_by_name(
    app: Celery, clock: Clock, models: Any, periodic: Callable[..., Any]
) -> None:
    periodic(every=10)
    conduct = {"one": {"catch_up": "last", "should_run": lambda due_at: "closed"}}
    with override_settings(HOLDFAST={"database": get_settings().database, "schedules": conduct}):
        scheduler = Scheduler(app)
        scheduler.one_pass()
        clock.ahead = 25 * SECOND
        scheduler.one_pass()
        assert outcomes() == ["missed", "skipped"]
        scheduler.close()


def test_row_that_cannot_be_read_holds_up_no_other(
    scheduler: Scheduler, clock: Clock, models: Any, periodic: Callable[..., Any]
) -> None:
    periodic("bad arguments", every=10, args="[1")
    periodic("bad rule", crontab=models.CrontabSchedule.objects.create(minute="61"))
    periodic(every=10)
    scheduler.one_pass()
    clock.ahead = 10 * SECOND
    scheduler.one_pass()
    assert outcomes() == ["fired"]
    assert [info.name for info in holdfast.schedules()] == ["one"]


def test_name_in_both_sources_is_the_settings_rule_and_the_tables_switch(
    app: Celery, clock: Clock, periodic: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LOOK_SECONDS", 0)
    app.conf.beat_schedule = {"one": {"task": "schedules.note", "schedule": 30.0}}
    row = periodic(every=10)
    scheduler = Scheduler(app)
    scheduler.one_pass()
    clock.ahead = 30 * SECOND
    scheduler.one_pass()
    assert outcomes() == ["fired"]
    row.refresh_from_db()
    assert row.total_run_count == 1
    row.enabled = False
    row.save()
    clock.ahead = 60 * SECOND
    scheduler.one_pass()
    assert outcomes() == ["fired"]
    (info,) = holdfast.schedules()
    assert (info.enabled, info.next_due_at, info.timing) == (False, None, "every 30 s")
    scheduler.close()


SAVE = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
every = IntervalSchedule.objects.create(every=1, period="seconds")
PeriodicTask.objects.create(
    name="edited", task=tasks.effect.name, interval=every, args='["edited"]'
)
print(time.time())
"""
SWITCH_OFF = """
from django_celery_beat.models import PeriodicTask
row = PeriodicTask.objects.get(name="edited")
row.enabled = False
row.save()
print(time.time())
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.short_on("postgres")
def test_real_scheduler_sees_edits_within_five_seconds(
    kind: str, request: pytest.FixtureRequest
) -> None:
    environment = {"TEST_EXTRA_APPS": "django_celery_beat"}
    with new_site(kind, request, environment=environment) as site:
        rows = Occurrence.objects.using(site.alias)
        beat = site.beat("-S", "holdfast.beat:Scheduler")
        try:
            eventually(lambda: rows.filter(schedule="tick").exists())
            saved = float(site.python(SAVE))
            eventually(lambda: rows.filter(schedule="edited").exists())
            first = rows.filter(schedule="edited").earliest("due_at")
            assert first.due_at.timestamp() <= saved + 5 + 1

            off = datetime.fromtimestamp(float(site.python(SWITCH_OFF)) + 5, tz=UTC)
            eventually(
                lambda: rows.filter(schedule="tick", due_at__gt=off + 2 * SECOND).exists(),
            )
            assert not rows.filter(schedule="edited", due_at__gt=off).exists()
            beat.stop()
        finally:
            beat.kill()


def test_schedule_that_is_switched_off_runs_by_hand(
    scheduler: Scheduler, periodic: Callable[..., Any]
) -> None:
    periodic(every=10, enabled=False)
    scheduler.one_pass()
    result = holdfast.run_now("one")
    assert the_job()[0].id == result.id
