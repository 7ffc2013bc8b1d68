"""Holdfast's own tasks; they run in the worker like any other."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.app.task import Context

from holdfast.ledger.reads import queries
from holdfast.results import successors


@shared_task(bind=True, name=successors.ERRBACK_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def call_errback(
    self: Any,
    job_id: str,
    signature: dict[str, Any],
    error: Any,
    traceback: str,
    never_sent: dict[str, Any] | None = None,
) -> None:
    """Call an error callback that wants (request, exc, traceback), with what the ledger keeps of the failed job."""
    app = self.app
    message = queries.message_of(job_id)
    if message is not None:
        request = successors.request_of(job_id, *message, app.backend.accept)
    elif never_sent is not None:
        request = Context({**never_sent, "delivery_info": {}})
    else:
        raise LookupError(f"Job {job_id} was pruned before its error callback ran.")
    app.signature(signature)(request, app.backend.exception_to_python(error), traceback)
