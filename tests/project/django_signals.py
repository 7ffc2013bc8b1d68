"""Notes the signals of Django's tasks API; a worker that is to have it is started with `-I`."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from holdfast.dispatch.django_api import task_finished, task_started
from tests.project.tasks import note


@receiver(task_started)
def started(sender: Any, task_result: Any, **_: Any) -> None:
    note(f"started {sender.__name__} {task_result.id} {task_result.status} {task_result.attempts}")


@receiver(task_started)
def broken(**_: Any) -> None:
    raise RuntimeError("a receiver that fails must not fail the task")


@receiver(task_finished)
def finished(sender: Any, task_result: Any, **_: Any) -> None:
    # Asked anew: what it tells of is in the ledger already.
    asked = sender("default", {}).get_result(task_result.id)
    assert (asked.status, asked.finished_at) == (task_result.status, task_result.finished_at)
    note(f"finished {sender.__name__} {task_result.id} {task_result.status} {task_result.attempts}")
