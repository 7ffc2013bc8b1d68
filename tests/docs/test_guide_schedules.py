"""The examples of the guide to schedules run as they stand there."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from django.test import override_settings

import holdfast
from holdfast.beat import sources
from holdfast.beat.rules import CatchUp
from holdfast.beat.scheduler import Scheduler
from holdfast.conf import get_settings
from holdfast.ledger.models import Job
from holdfast.testing.services import RedisServer
from tests.docs.pages import ROOT, examples
from tests.surroundings import current_app

BLOCKS = examples(ROOT / "docs" / "guides" / "schedules.md", language="python")


def block(words: str) -> str:
    """Return the one example of the page that has these words in it."""
    (found,) = (each for each in BLOCKS if words in each)
    return found


def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(code, "docs/guides/schedules.md", "exec"), names)
    return names


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that the page calls shop/calendar.py."""
    shop, calendar = ModuleType("shop"), ModuleType("shop.calendar")
    run(block("def is_working_day"), vars(calendar))
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.setitem(sys.modules, "shop.calendar", calendar)
    return calendar


def test_condition_of_the_guide_skips_weekends(calendar: ModuleType) -> None:
    friday = datetime(2026, 3, 27, tzinfo=UTC)
    assert calendar.is_working_day(friday) is True
    assert calendar.is_working_day(friday + timedelta(days=1)) == "the office is closed"


def test_entries_of_the_guide_are_scheduled_listed_and_run(
    ledger: str,
    redis_server: RedisServer,
    calendar: ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with current_app(redis_server.url) as app:
        app.conf.beat_schedule = run(block("CELERY_BEAT_SCHEDULE ="), {})["CELERY_BEAT_SCHEDULE"]
        scheduler = Scheduler(app)
        scheduler.one_pass()
        run(block("holdfast.run_now"), {"holdfast": holdfast})
        run(block("holdfast.pause"), {"holdfast": holdfast})
        scheduler.close()
        rule = sources.read(app)["invoices"]
    assert "invoices crontab 30 2 * * * in Europe/Berlin" in capsys.readouterr().out
    assert rule.catch_up is CatchUp.LAST
    (job,) = Job.objects.using(ledger).all()
    assert job.task == "shop.tasks.invoices"


def test_settings_of_the_guide_are_taken(ledger: str, calendar: ModuleType) -> None:
    said = run(block("HOLDFAST ="), {})["HOLDFAST"]
    with override_settings(HOLDFAST={"database": ledger, **said}):
        assert get_settings().schedules == said["schedules"]
