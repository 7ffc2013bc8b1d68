"""Schedules in the console, on both databases: all of them, one with its history, and what is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from celery.schedules import BaseSchedule, crontab
from django.conf import settings
from django.test import Client, override_settings

from holdfast import Celery, Limit, pausing
from holdfast.beat import leader
from holdfast.beat.plans import Day
from holdfast.beat.scheduler import Scheduler
from holdfast.console import schedules as console
from holdfast.ledger import audit, schedulers, schedules, workers
from holdfast.ledger.schedules import Decided
from holdfast.ledger.states import State
from tests.batched import NOWHERE, add, app_with_tasks
from tests.members import members, statements
from tests.surroundings import current_app

API = "/holdfast/api/schedules/"
BERLIN = {"timezone": "Europe/Berlin"}
ENTRIES: dict[str, dict[str, Any]] = {
    "invoices": {
        "task": "say",
        "schedule": crontab(minute="5", hour="7", day_of_week="mon-fri"),
        "args": ["monthly"],
        "kwargs": {"api_key": "hush"},
        "options": {"queue": "mail"},
        **BERLIN,
    },
    "nights/clean up": {
        "task": "add",
        "args": [1],
        "schedule": crontab(minute="0", hour="3"),
        **BERLIN,
    },
    "refresh": {"task": "one", "schedule": 30.0, "catch_up": "last"},
}


@pytest.fixture(autouse=True)
def app(console: str) -> Iterator[Celery]:
    with current_app(NOWHERE, beat_schedule=dict(ENTRIES)) as app:
        app.task(name="one", shared=False, limit=Limit("one at a time", concurrency=1))(add)
        yield app_with_tasks(app, [])


def asked(client: Client, path: str = "") -> Any:
    answer = client.get(f"{API}{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def line_of(client: Client, name: str) -> Any:
    return next(line for line in asked(client)["schedules"] if line["name"] == name)


def test_list_tells_when_each_is_due_in_words(viewer: Client) -> None:
    line = line_of(viewer, "invoices")
    assert line["words"] == "at 07:05 on weekdays, Europe/Berlin"
    assert (line["task"], line["source"], line["state"]) == ("say", "settings", "ok")
    assert line_of(viewer, "refresh")["words"] == "every 30 seconds"
    html = viewer.get("/holdfast/schedules/").content.decode()
    for said in (
        "at 07:05 on weekdays",
        "/holdfast/schedules/nights/clean%20up/",
        "No scheduler leads",
    ):
        assert said in html


def test_one_tells_its_call_its_zone_and_its_next_times(viewer: Client) -> None:
    found = asked(viewer, "invoices/")
    assert found["args"] == ["monthly"]
    assert found["kwargs"] == {"api_key": "********************"}
    assert found["options"] == {"queue": "mail"}
    assert (found["zone"], found["catch_up"]) == ("Europe/Berlin", "skip")
    assert len(found["next_due"]) == 5
    assert all(" 07:05:00 CE" in run["there"] for run in found["next_due"])
    assert {run["there"][:3] for run in found["next_due"]} == {"Mon", "Tue", "Wed", "Thu", "Fri"}
    assert "nothing keeps two from overlapping" in found["overlap"]
    assert "one after the other" in asked(viewer, "refresh/")["overlap"]
    html = viewer.get("/holdfast/schedules/invoices/").content.decode()
    assert "07:05:00 CE" in html
    assert "hush" not in html


def test_history_tells_jobs_lateness_and_reasons_in_pages(viewer: Client) -> None:
    start = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    job = members("fired", 1, State.FAILED)[0]
    for number in range(30):
        at = start + timedelta(minutes=number)
        outcome = ("fired", "skipped", "missed")[number % 3]
        reason = "" if outcome == "fired" else f"{outcome} for a reason"
        one = Decided(
            due_at=at, outcome=outcome, job=job if outcome == "fired" else None, reason=reason
        )
        schedules.note("refresh", one)
    found = asked(viewer, "refresh/")
    assert len(found["history"]) == 25
    latest = found["history"][:3]
    assert [row["outcome"] for row in latest] == ["missed", "skipped", "fired"]
    assert latest[0]["reason"] == "missed for a reason"
    assert (latest[2]["job"], latest[2]["job_state"]) == (job, "failed")
    assert latest[2]["late_seconds"] > 0
    rest = asked(viewer, f"refresh/?before={found['before'].replace('+', '%2B')}")
    assert (len(rest["history"]), rest["before"]) == (5, None)
    assert viewer.get(f"{API}refresh/?before=yesterday").status_code == 400


def test_what_an_occurrence_failed_with_is_told_without_secrets(viewer: Client) -> None:
    at = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    said = "OperationalError: postgres://ada:swordfish@db is away"
    schedules.note("refresh", Decided(due_at=at, outcome="failed", reason=said))
    shown = "OperationalError: postgres://ada:********************@db is away"
    assert asked(viewer, "refresh/")["history"][0]["reason"] == shown
    assert "swordfish" not in viewer.get("/holdfast/schedules/refresh/").content.decode()


def test_operator_pauses_resumes_and_runs_one(operator: Client) -> None:
    name = "nights/clean%20up"
    paused = operator.post(f"{API}{name}/pause/", {"reason": "stock-taking"})
    assert paused.json() == {"message": "Schedule nights/clean up is paused.", "changed": True}
    line = line_of(operator, "nights/clean up")
    assert (line["state"], line["paused"]["by"]) == ("paused", "operate@test")
    assert "stock-taking" in operator.get("/holdfast/schedules/").content.decode()
    job = operator.post(f"{API}{name}/run/").json()["job"]
    assert asked(operator, f"{name}/")["history"][0]["job"] == job
    form = operator.get(f"/holdfast/schedules/{name}/resume/").content.decode()
    assert 'name="reason"' in form
    assert operator.post(f"{API}{name}/resume/", {"reason": "counted"}).json()["changed"]
    assert line_of(operator, "nights/clean up")["state"] == "ok"
    assert [(entry.action, entry.actor, entry.detail) for entry in audit.lines()][::2] == [
        ("resume", "operate@test", "schedule nights/clean up: counted"),
        ("pause", "operate@test", "schedule nights/clean up: stock-taking"),
    ]
    assert [entry.action for entry in audit.lines()] == ["resume", "run now", "pause"]


def test_call_that_cannot_be_made_is_told_and_leaves_nothing(operator: Client, app: Celery) -> None:
    app.conf.beat_schedule = {"broken": {"task": "add", "schedule": 60.0, "args": [1, 2, 3]}}
    answer = operator.post(f"{API}broken/run/")
    assert answer.status_code == 409
    assert "Mend it where the schedule is written" in answer.json()["error"]["message"]
    assert asked(operator, "broken/")["history"] == []
    assert audit.lines() == []


def test_what_is_not_there_is_refused_with_the_nearest(operator: Client) -> None:
    for answer in (operator.get(f"{API}invoces/"), operator.post(f"{API}invoces/pause/", {})):
        assert answer.status_code == 404
        assert "did you mean 'invoices'" in answer.json()["error"]["message"]
    assert operator.post(f"{API}invoices/pause/", {"reason": "x" * 201}).status_code == 422


def test_viewer_and_read_only_console_change_nothing(viewer: Client, operator: Client) -> None:
    for action in ("pause", "resume", "run"):
        assert viewer.post(f"{API}invoices/{action}/", {}).status_code == 403
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert operator.post(f"{API}invoices/run/", {}).status_code == 403
    assert audit.lines() == []


def test_page_tells_who_leads_and_who_stands_by(
    viewer: Client, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "DUTY_SECONDS", 600.0)
    monkeypatch.setattr(schedulers, "ALIVE_SECONDS", 600.0)
    assert asked(viewer)["scheduler"] == {"leader": None, "standing_by": [], "led": False}
    leads, waits = Scheduler(app), Scheduler(app)
    try:
        for scheduler in (leads, waits):
            scheduler.one_pass()
        found = asked(viewer)["scheduler"]
        assert found["led"]
        assert found["leader"]["id"] == str(leads._leader.id)
        assert [row["id"] for row in found["standing_by"]] == [str(waits._leader.id)]
        assert "Leading scheduler" in viewer.get("/holdfast/schedules/").content.decode()
    finally:
        for scheduler in (leads, waits):
            scheduler.close()
    assert schedulers.living() == []


def test_overdue_schedule_and_dead_leader_are_told(viewer: Client, app: Celery) -> None:
    scheduler = Scheduler(app)
    scheduler.one_pass()
    scheduler.close()
    an_hour_ago = schedules.standings(["refresh"])["refresh"].decided_until - timedelta(hours=1)
    schedules._schedules().filter(name="refresh").update(decided_until=an_hour_ago)
    found = asked(viewer)
    assert 3500 < found["lag_seconds"] < 3700
    assert line_of(viewer, "refresh")["state"] == "overdue"
    # A leader that froze has the duty until it runs out, and has told nothing of late.
    workers.take_duty(schedules.DUTY, uuid4(), seconds=60)
    assert asked(viewer)["scheduler"] == {"leader": None, "standing_by": [], "led": True}


def test_timeline_shows_when_many_are_due_at_once(viewer: Client, app: Celery) -> None:
    together = {
        f"n{n}": {"task": "add", "schedule": crontab(minute="0", hour="3")} for n in range(5)
    }
    app.conf.beat_schedule = {**ENTRIES, **together}
    pausing.pause(schedule="n4")
    timeline = asked(viewer)["timeline"]
    (minute,) = [m for m in timeline["crowded"] if m["names"][0].startswith("n")]
    assert minute["names"] == ["n0", "n1", "n2", "n3"]
    assert {strip["name"] for strip in timeline["strips"] if strip["often"]} == {"refresh"}
    assert [sum(s["counts"]) for s in timeline["strips"] if s["name"] == "n0"] == [1]
    # At 03:10 the next one is a day ahead, and is shown all the same.
    late = datetime(2026, 6, 1, 3, 10, tzinfo=UTC)
    due = Day(name="n0", due=[late.replace(hour=3, minute=0) + timedelta(days=1)], more=False)
    assert sum(console._timeline([due], late).strips[0].counts) == 1
    assert "n4" not in {strip["name"] for strip in timeline["strips"]}
    assert "schedules in the same minute" in viewer.get("/holdfast/schedules/").content.decode()


class Broken(BaseSchedule):  # type: ignore[misc]  # celery.schedules has no types here
    """A rule of a project's own that cannot be asked."""

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        raise ZeroDivisionError


def test_schedule_that_cannot_be_computed_is_told_and_hides_no_other(
    viewer: Client, app: Celery
) -> None:
    app.conf.beat_schedule = {**ENTRIES, "broken": {"task": "add", "schedule": Broken()}}
    line = line_of(viewer, "broken")
    assert line["state"] == "broken"
    assert "ZeroDivisionError" in line["problem"]
    assert line_of(viewer, "refresh")["state"] == "ok"
    assert asked(viewer, "broken/")["next_due"] == []
    assert "ZeroDivisionError" in viewer.get("/holdfast/schedules/broken/").content.decode()


def test_forty_schedules_cost_as_many_statements_as_three(viewer: Client, app: Celery) -> None:
    def cost() -> int:
        with statements() as sent:
            asked(viewer)
        return len(sent)

    three = cost()
    more = {f"n{n}": {"task": "add", "schedule": crontab(minute=str(n))} for n in range(40)}
    app.conf.beat_schedule = {**ENTRIES, **more}
    assert cost() == three <= 12
