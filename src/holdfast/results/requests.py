"""What a request of Celery's says to those who write its end; where bodies run and where their ends are written."""

from __future__ import annotations

from typing import Any

from celery.app.task import Context
from celery.app.trace import get_actual_ignore_result


def was_sent(request: Any) -> bool:
    """Tell a job that a worker runs from a bare id, and from a chord's body that was never sent."""
    return request is not None and bool(getattr(request, "delivery_info", None))


def without_chord(request: Any) -> Any:
    """Return the request as the configured backend may see it: chords are counted here alone."""
    return Context({**vars(request), "chord": None}) if request.chord else request


def ignores_result(request: Any, app: Any) -> bool:
    """Tell whether nobody keeps what the job returns, by its call and its task."""
    # Not `tasks`, which takes a lock that all threads share.
    task = app._tasks.get(request.task)
    return bool(
        get_actual_ignore_result(task, request) if task is not None else request.ignore_result
    )
