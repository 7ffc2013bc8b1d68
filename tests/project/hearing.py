"""What a task hears of its own success, and what the ledger shows by then; a worker has it with `-I`."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from tests.project.tasks import note


class Hearing(Task):  # type: ignore[misc]  # untyped in celery
    """Notes what the ledger shows when Celery calls its hooks."""

    abstract = True

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        note(f"hook {self.AsyncResult(task_id).state}")


@shared_task(base=Hearing)
def hears() -> str:
    return "heard"
