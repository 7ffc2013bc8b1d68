"""`manage.py holdfast schedules`: the words of the console at the terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from celery.schedules import crontab
from django.core.management import CommandError, call_command

import holdfast
from holdfast import Celery
from holdfast.beat import leader
from holdfast.beat.scheduler import Scheduler
from holdfast.ledger import audit, schedulers
from tests.batched import NOWHERE, app_with_tasks
from tests.surroundings import current_app

ENTRIES: dict[str, dict[str, Any]] = {
    "invoices": {
        "task": "say",
        "schedule": crontab(minute="5", hour="7", day_of_week="mon-fri"),
        "kwargs": {"api_key": "hush"},
        "timezone": "Europe/Berlin",
    },
    "refresh": {"task": "say", "schedule": 30.0, "args": ["x"]},
}


@pytest.fixture(autouse=True)
def app(ledger: str) -> Iterator[Celery]:
    with current_app(NOWHERE, beat_schedule=dict(ENTRIES)) as app:
        yield app_with_tasks(app, [])


def told(*words: str) -> tuple[str, str]:
    out, error = StringIO(), StringIO()
    call_command("holdfast", "schedules", *words, stdout=out, stderr=error)
    return out.getvalue(), error.getvalue()


def test_all_are_shown_in_words_with_who_leads(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "DUTY_SECONDS", 600.0)
    monkeypatch.setattr(schedulers, "ALIVE_SECONDS", 600.0)
    shown, remark = told()
    assert "at 07:05 on weekdays, Europe/Berlin" in shown
    assert "No scheduler leads" in remark
    holdfast.pause(schedule="refresh", actor="ada", reason="stock-taking")
    scheduler = Scheduler(app)
    try:
        scheduler.one_pass()
        shown, remark = told()
    finally:
        scheduler.close()
    assert "paused by ada: stock-taking" in shown
    assert "leads since" in remark
    assert "0 stand by" in remark


def test_one_is_shown_with_its_times_and_without_its_secrets() -> None:
    shown, _ = told("invoices")
    assert shown.count("next  ") == 5
    assert "07:05:00+0" in shown
    assert "hush" not in shown
    found = json.loads(told("invoices", "--json")[0])
    assert found["info"]["words"] == "at 07:05 on weekdays, Europe/Berlin"
    assert len(found["next_due"]) == 5


def test_all_as_json() -> None:
    found = json.loads(told("--json")[0])
    assert [one["name"] for one in found["schedules"]] == ["invoices", "refresh"]
    assert found["scheduler"]["led"] is False


def test_one_is_run_now_and_the_audit_knows() -> None:
    job = json.loads(told("refresh", "--run-now", "--json", "--actor", "ada")[0])["job"]
    assert [(line.action, line.actor, line.job) for line in audit.lines()] == [
        ("run now", "ada", job)
    ]
    assert "fired" in told("refresh")[0]


def test_what_is_not_said_or_not_there_is_refused() -> None:
    with pytest.raises(CommandError, match="Which one"):
        told("--run-now")
    with pytest.raises(CommandError, match="did you mean 'invoices'"):
        told("invoces")


def test_schedule_is_paused_and_resumed_at_the_terminal() -> None:
    out = StringIO()
    call_command("holdfast", "pause", "--schedule", "refresh", "--reason", "r", stdout=out)
    call_command("holdfast", "pause", stdout=out)
    call_command("holdfast", "resume", "--schedule", "refresh", "--reason", "done", stdout=out)
    assert [line.detail for line in audit.lines()] == [
        "schedule refresh: done",
        "schedule refresh: r",
    ]
    said = out.getvalue()
    assert "schedule refresh is paused" in said
    assert "schedule refresh goes on" in said
    assert holdfast.pauses() == []
