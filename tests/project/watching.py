"""Notes Celery's signals around every run; a worker that is to have it is started with `-I`."""

from __future__ import annotations

from typing import Any

from celery.signals import task_postrun, task_prerun

from tests.project.tasks import note


@task_prerun.connect
def before(task_id: str, **_: Any) -> None:
    note(f"prerun {task_id}")


@task_postrun.connect
def afterwards(task_id: str, **_: Any) -> None:
    note(f"postrun {task_id}")
