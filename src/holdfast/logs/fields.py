"""Whose a log line is: the job whose body or end runs here, or the one that a line of the worker is about."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from celery._state import get_current_app, get_current_task

from holdfast.correlation import CORRELATION, correlation_id
from holdfast.tickets import HEADER

NAMES = ("task", "job", "attempt", "correlation")
# Every line of ours about one job begins like this.
_ABOUT_A_JOB = "Job %s"
_WITH_ITS_TASK = "Job %s (%s)"
_OF_WORKERS = ("celery.worker", "celery.app.trace", "holdfast.worker")


class JobFilter(logging.Filter):
    """Gives each record `task`, `job`, `attempt` and `correlation`; "" and 0 where there is none. Lets all pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add what is known; what a line brings itself under one of these names is left."""
        found = job_fields(record)
        for name in NAMES:
            if not hasattr(record, name):
                setattr(record, name, found[name])
        return True


def job_fields(record: logging.LogRecord | None = None) -> dict[str, Any]:
    """Return task, job, attempt (from 1; 0 if unknown) and correlation id of the code that runs here.

    In a worker's main process, where no task is at work, they are those that a record is about, if it says so. Without
    a correlation id of its own a job has that of its tree: the id of the first job in it.
    """
    task = get_current_task()
    request = None if task is None else task.request
    if task is not None and request is not None and request.id:
        return _fields(
            str(task.name),
            str(request.id),
            getattr(request, HEADER, None),
            request.headers,
            root=request.root_id,
            retries=request.retries,
        )
    return _about(record) if record is not None else _nobody()


def _nobody() -> dict[str, Any]:
    return {"task": "", "job": "", "attempt": 0, "correlation": correlation_id()}


def _fields(
    task: str, job: str, mark: Any, headers: Any, *, root: str | None, retries: int | None
) -> dict[str, Any]:
    attempt = mark.get("attempt") if isinstance(mark, Mapping) else None
    said = headers.get(CORRELATION) if isinstance(headers, Mapping) else None
    return {
        "task": task,
        "job": job,
        "attempt": attempt or (retries or 0) + 1,
        "correlation": str(said or correlation_id() or root or job),
    }


def _about(record: logging.LogRecord) -> dict[str, Any]:
    """Read the job out of a line of Celery's, which has it beside its words, or out of one of ours."""
    said = getattr(record, "data", None)
    task = job = ""
    if isinstance(said, Mapping) and "id" in said and "name" in said:
        task, job = str(said["name"]), str(said["id"])
    elif record.name.startswith("holdfast.") and str(record.msg).startswith(_ABOUT_A_JOB):
        told = record.args if isinstance(record.args, tuple) else ()
        job = str(told[0]) if told else ""
        if len(told) > 1 and str(record.msg).startswith(_WITH_ITS_TASK):
            task = str(told[1])
    if not job:
        return _nobody()
    held = _held(job) if record.name.startswith(_OF_WORKERS) else None
    return held or _nobody() | {"task": task, "job": job}


def _held(job: str) -> dict[str, Any] | None:
    """Return what a worker's main process knows of a job that it holds."""
    worker = sys.modules.get("holdfast.worker.current")
    if worker is None:
        return None
    held = worker.current_intake(get_current_app()).held.get(job)
    request = None if held is None else held.request
    headers = getattr(request, "_request_dict", None)
    if request is None or not isinstance(headers, Mapping):
        return None
    return _fields(
        str(request.name),
        job,
        headers.get(HEADER),
        headers,
        root=headers.get("root_id"),
        retries=headers.get("retries"),
    )
