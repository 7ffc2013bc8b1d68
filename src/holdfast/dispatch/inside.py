"""What a body can ask and say about the attempt it is: the part of a task that is there for the code inside."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.contrib.abortable import ABORTED


class Inside(Task):
    """Methods for bodies with `bind=True`. Outside of an attempt they ask nothing, say nothing, and never fail."""

    abstract = True

    def is_aborted(self, task_id: str | None = None) -> bool:
        """Tell the body that it should stop; with an id, whether that job is being aborted.

        True once the job was cancelled or asked to stop, or the attempt lost its lease. The ledger is asked at most
        once a second. Leave by `raise holdfast.Aborted()`, and the job ends as cancelled.
        """
        if task_id is not None and task_id != self.request.id:
            state: Any = self.AsyncResult(task_id).state
            return bool(state == ABORTED)
        from holdfast.policies.aborting import is_aborted

        return is_aborted()
