"""The one Celery task under all Django tasks: it imports the function, runs it, and tells the signals of the API.

It runs in the pool. Django's API is imported when the first call comes: a project without it has none.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from celery import shared_task
from celery.exceptions import Reject, Retry, TaskPredicate

from holdfast.dispatch.bodies import finished
from holdfast.dispatch.task import LedgerTask
from holdfast.exceptions import AttemptLost, HoldfastError
from holdfast.ledger.database import is_passing, with_patience
from holdfast.ledger.holds import hold_from
from holdfast.ledger.reads.history import History, history_of
from holdfast.ledger.states import State
from holdfast.lineage import patience_seconds

logger = logging.getLogger("holdfast.attempt")
NAME = "holdfast.django_task"
LONGEST_PAUSE_SECONDS = 3600


class DjangoTask(LedgerTask):
    """The class of the task that runs Django tasks: what differs from call to call is read from the call."""

    abstract = True

    @property
    def atomic(self) -> bool:  # type: ignore[override]  # a constant of any other task
        """Whether this call's body and its end are one transaction."""
        return bool((self.request.kwargs or {}).get("atomic"))

    def runs_async(self, kwargs: Any) -> bool:
        """Tell whether the function of this call is a coroutine function; an atomic one needs a thread of its own."""
        from holdfast.dispatch import django_calls

        try:
            return not kwargs["atomic"] and iscoroutinefunction(
                django_calls.Call(**kwargs).task().func
            )
        except Exception:  # a call that cannot be read says so where it runs
            return False

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Send `task_finished`: the end is in the ledger."""
        self._tell_finished(State.SUCCEEDED)

    def on_failure(
        self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Send `task_finished`: the end is in the ledger."""
        self._tell_finished(State.FAILED)

    def _tell_finished(self, state: State) -> None:
        """Tell of the end of this very attempt; if it lost its lease, whoever has the job now tells of his."""
        from holdfast.dispatch import django_api, django_calls

        hold = hold_from(self.request)
        if hold is None:
            return
        try:
            history = history_of(hold.id)
        except Exception as error:
            if not is_passing(error):
                raise
            logger.warning("Job %s: nobody is told of its end: %s", hold.id, error)
            return
        if history is None or (history.state, history.token) != (state, hold.token + 1):
            return
        call = django_calls.Call(**self.request.kwargs)
        result = django_calls.result_of(history, call, accept=self.backend.accept)
        sender = type(result.task.get_backend())
        django_api.task_finished.send_robust(sender=sender, task_result=result)


@shared_task(bind=True, base=DjangoTask, name=NAME, durable=True, ignore_result=False)  # type: ignore[untyped-decorator]
def run_django_task(self: DjangoTask, **recorded: Any) -> Any:
    """Run one call of a Django task.

    A function that raises is tried again as the OPTIONS of its backend say; they are read where it runs.
    """
    from holdfast.dispatch import django_api, django_calls

    hold = hold_from(self.request)
    if hold is None and not self.request.is_eager:
        raise HoldfastError(
            f"Job {self.request.id} ({NAME}) did not come from the ledger, so it is not run. Call the "
            "task's enqueue()."
        )
    call = django_calls.Call(**recorded)
    if hold is None:
        worker = self.request.hostname or socket.gethostname()
        result = django_calls.new_result(call.task(), self.request.id, call, worker_ids=[worker])
    else:
        result = django_calls.result_of(_history(hold.id), call, accept=self.backend.accept)
    task = result.task
    django_api.task_started.send_robust(sender=type(task.get_backend()), task_result=result)
    context = [django_api.TaskContext(task_result=result)] if task.takes_context else []
    try:
        if iscoroutinefunction(task.func):
            value = finished(self, task.func(*context, *result.args, **result.kwargs))
        else:
            value = task.call(*context, *result.args, **result.kwargs)
    except (AttemptLost, TaskPredicate):
        raise
    except Exception as error:
        _retry(self, task.get_backend(), error)
        raise
    return django_api.normalize_json(value)


def _retry(celery_task: DjangoTask, backend: Any, error: Exception) -> None:
    """Put the job back if it may be tried again; return if this was the last time.

    Raises:
        Retry: the job is put back when the attempt leaves; an atomic body is rolled back.
    """
    # Another backend's, if TASKS has changed since the call was recorded.
    options = getattr(backend, "settings", None)
    tried = celery_task.request.retries
    if options is None or tried >= options.max_retries:
        return
    pause = min(options.retry_delay_seconds * 2**tried, LONGEST_PAUSE_SECONDS)
    try:
        celery_task.retry(exc=error, countdown=pause, max_retries=options.max_retries)
    except Retry as leaving:
        # Celery puts another in the place of an error that cannot be pickled, and drops its traceback.
        if leaving.exc is not None and leaving.exc.__traceback__ is None:
            leaving.exc.__traceback__ = error.__traceback__
        raise


def _history(job_id: str) -> History:
    """Read the job that runs; a database that is away puts it back, and is no failure of its."""
    try:
        found = _patiently(partial(history_of, job_id), what=f"beginning job {job_id}")
    except Exception as error:
        if not is_passing(error):
            raise
        raise Reject(f"the job could not be read: {error}", requeue=True) from error
    if found is None:
        raise Reject("the job is gone from the ledger")
    return found


def _patiently(ask: Callable[[], History | None], *, what: str) -> History | None:
    return with_patience(ask, seconds=patience_seconds(), what=what)
