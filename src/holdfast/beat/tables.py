"""Schedules in the tables of django-celery-beat, where it is installed: read as its admin leaves them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import router
from django.db.models import F
from django.utils import timezone
from kombu.utils.json import loads

from holdfast.beat.rules import CatchUp, Rule, conduct
from holdfast.beat.timing import timing_of
from holdfast.ledger.database import alias

logger = logging.getLogger("holdfast.beat")
APP = "django_celery_beat"
_KINDS = ("interval", "crontab", "solar", "clocked")


def installed() -> bool:
    """Tell whether the project has these tables."""
    return apps.is_installed(APP)


def changed_at() -> datetime | None:
    """Return when a schedule was last edited: django-celery-beat keeps one row for it."""
    moment: datetime | None = apps.get_model(APP, "PeriodicTasks").last_change()
    return moment


def rules_of_tables(app: Any) -> Iterator[Rule]:
    """Yield the schedules that can be read; the others are logged, and hold up none."""
    rows = apps.get_model(APP, "PeriodicTask").objects.select_related(*_KINDS)
    for row in rows.order_by("pk"):
        try:
            yield _rule_of(row, app)
        except Exception:
            logger.exception(
                "Schedule %r in the tables of django-celery-beat cannot be read: it does not run until it is "
                "mended in the admin",
                row.name,
            )


def stamp(rule: Rule) -> None:
    """Note a run where the admin shows it, and switch off what runs only once; nobody reads all anew for it."""
    changes: dict[str, Any] = {
        "last_run_at": timezone.now(),
        "total_run_count": F("total_run_count") + 1,
    }
    if rule.one_off:
        # Counted anew if somebody switches it on again.
        changes |= {"enabled": False, "total_run_count": 0}
    apps.get_model(APP, "PeriodicTask").objects.filter(pk=rule.row).update(**changes)


def in_ledger() -> bool:
    """Tell whether these tables are in the ledger's database, so that a stamp commits with the job."""
    return router.db_for_write(apps.get_model(APP, "PeriodicTask")) == alias()


def _rule_of(row: Any, app: Any) -> Rule:
    kind = next((kind for kind in _KINDS if getattr(row, kind) is not None), None)
    if kind is None:
        raise ValueError("it has no interval, crontab, solar event or clocked time")
    clocked = kind == "clocked"
    headers = loads(row.headers or "{}")
    # Which function is asked is for the settings alone to say: who edits schedules must not choose any function.
    said = {key: value for key, value in headers.pop("holdfast", {}).items() if key != "should_run"}
    options = {
        key: getattr(row, key)
        for key in ("queue", "exchange", "routing_key", "priority")
        if getattr(row, key) is not None
    }
    expires = row.expires if row.expires is not None else row.expire_seconds
    if expires is not None:
        options["expires"] = expires
    return Rule(
        name=row.name,
        task=row.task,
        timing=timing_of(getattr(row, kind).schedule, app=app),
        source="database",
        args=loads(row.args or "[]"),
        kwargs=loads(row.kwargs or "{}"),
        options={**options, "headers": headers},
        enabled=row.enabled and not (row.one_off and row.total_run_count),
        starts_at=row.start_time,
        ends_at=row.expires,
        one_off=row.one_off,
        since=row.date_changed if clocked else None,
        row=row.pk,
        # An appointment that was missed is kept late; there is no next one.
        **conduct(row.name, said, default=CatchUp.LAST if clocked else CatchUp.SKIP),
    )
