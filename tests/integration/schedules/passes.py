"""What the tests of schedules say and look at."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import crontab

from holdfast.conf import get_settings
from holdfast.ledger.models import Job
from holdfast.ledger.models.schedules import Occurrence

START = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Clock:
    """The database's clock as the schedulers read it."""

    def __init__(self) -> None:
        self.now = START


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
