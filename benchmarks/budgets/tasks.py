"""The counted tasks, one for each way a job costs something else; no body does more than to note that it began."""

from __future__ import annotations

from typing import Any

from celery import shared_task

import holdfast
from benchmarks.budgets.durable import begun


@shared_task(ignore_result=True)
def plain(_number: int) -> None:
    begun("plain")


@shared_task
def kept(number: int) -> int:
    begun("kept")
    return number


@shared_task(ignore_result=True, atomic=True)
def atomic(number: int) -> None:
    from django.db import connection

    begun("atomic")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_effect (number) VALUES (%s)", [number])


@shared_task(ignore_result=True, unique=holdfast.Unique(scope="unfinished"))
def unique(_number: int) -> None:
    begun("unique")


@shared_task(ignore_result=True, limit=holdfast.Limit("wide", concurrency=1_000_000))
def limited(_number: int) -> None:
    begun("limited")


@shared_task(ignore_result=True)
def member(_number: int) -> None:
    """Sent as a member of a batch."""
    begun("member")


def of(app: Any, name: str) -> Any:
    """Return a counted task of an app by its short name."""
    return app.tasks[f"{__name__}.{name}"]
