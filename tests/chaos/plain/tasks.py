"""The bodies of the soak, as tasks of plain Celery: each notes its runs in the same record."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task
from django.db import connection, transaction

from tests.chaos.record import noted


@shared_task(bind=True)
def work(self: Any, seconds: float = 0.0) -> str:
    """Run for a while."""
    with noted(self.request):
        time.sleep(seconds)
    return str(self.request.id)


@shared_task(bind=True, ignore_result=True)
def quick(self: Any) -> None:
    """End at once, with nothing kept."""
    with noted(self.request):
        pass


@shared_task(bind=True)
def atomic_work(self: Any, seconds: float = 0.0) -> str:
    """Write one row in a transaction, which is all that plain Celery can offer."""
    with noted(self.request), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO project_atomic_effect (job) VALUES (%s)", [self.request.id])
        time.sleep(seconds)
    return str(self.request.id)


@shared_task(bind=True, max_retries=None)
def flaky(self: Any, failures: int, countdown: float = 0.1) -> str:
    """Ask for a retry so often, then return."""
    with noted(self.request):
        if self.request.retries < failures:
            raise self.retry(countdown=countdown)
    return str(self.request.id)


@shared_task(bind=True)
def step(self: Any, before: Any = None, seconds: float = 0.0) -> str:
    """Be a link of a chain, or a member or the body of a chord."""
    with noted(self.request):
        time.sleep(seconds)
    return str(self.request.id)
