"""Many rows of jobs at once: members of batches and of groups, in states that a test says, as the ledger has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from holdfast.conf import get_settings
from holdfast.ledger.models import Attempt, Batch, Job
from holdfast.ledger.states import FINAL, State

MADE = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def members(
    prefix: str, count: int, state: State, *, task: str = "shop.charge", **more: Any
) -> list[str]:
    """Write so many jobs in one state; their ids begin with the prefix and sort as they were made."""
    rows = [
        Job(
            id=f"{prefix}-{number:06}",
            task=task,
            queue="q",
            state=state,
            recorded_at=MADE,
            finished_at=MADE + timedelta(seconds=number) if state in FINAL else None,
            **more,
        )
        for number in range(count)
    ]
    Job.objects.using(get_settings().database).bulk_create(rows, batch_size=500)
    return [row.id for row in rows]


def failures(ids: list[str], error: str) -> None:
    """Write the last attempt of failed jobs."""
    rows = [
        Attempt(job=id, number=1, token=1, outcome="failed", ended_at=MADE, error=error)
        for id in ids
    ]
    Attempt.objects.using(get_settings().database).bulk_create(rows, batch_size=500)


def batch(id: str, **more: Any) -> str:
    """Write a batch."""
    values = {"callbacks": "{}", "called": "{}", "created_at": Now(), "sealed_at": Now()} | more
    Batch.objects.using(get_settings().database).create(id=id, **values)
    return id


@contextmanager
def statements() -> Iterator[list[str]]:
    """Note the statements that are sent to the ledger's database."""
    sent: list[str] = []
    with CaptureQueriesContext(connections[get_settings().database]) as captured:
        yield sent
    sent += [query["sql"] for query in captured.captured_queries]
