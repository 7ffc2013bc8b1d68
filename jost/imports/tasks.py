"""The jobs of imports: one that works on a file, and two that note what became of it."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

import holdfast
from holdfast import Rule

from . import cleaning, services, work

RETRIES = [
    # The database or the storage is away for a while.
    Rule(OperationalError, InterfaceError, ConnectionError, TimeoutError, max=20, backoff=2),
    # The same chunk hangs: what never ends must not be tried for ever.
    Rule(SoftTimeLimitExceeded, max=2, backoff=2),
]


@shared_task(bind=True, name="jost.imports.run", retry_rules=RETRIES)
def run(self: Any, import_id: int, begin: list[int] | None = None) -> None:
    """Work on a file until it is done, or until the time of one job is over.

    A chunk that hangs is struck by the soft time limit, which sends a further job, too; one that got nowhere is
    tried twice more instead.
    """
    job = self.request.id
    try:
        work.work_off(import_id, job=job, begin=begin, tell=self.progress)
    except SoftTimeLimitExceeded:
        # The chunk it struck was rolled back, and the checkpoint is where the last one ended.
        if not work.hand_over(import_id, job=job, begin=begin):
            raise


@shared_task(name="jost.imports.note_failure", atomic=True)
def note_failure(job: str, import_id: int) -> None:
    """Called once if nothing runs the job any more."""
    services.fail(import_id, job=job)


@holdfast.singleton_task(name="jost.imports.settle", on_conflict="skip")
def settle() -> int:
    """Look whether a job was cancelled by somebody who knows nothing of imports."""
    return services.settle()


@holdfast.singleton_task(name="jost.imports.clean_up", on_conflict="skip")
def clean_up() -> int:
    """Delete uploaded files that were kept long enough."""
    return cleaning.clean_up()
