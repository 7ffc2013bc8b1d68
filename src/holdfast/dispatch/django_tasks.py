"""The backend for Django's tasks API: `enqueue()` records a job of one Celery task, results are read from the ledger.

Runs in every process that enqueues or asks.
"""

from __future__ import annotations

import difflib
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from celery import current_app
from celery.exceptions import QueueNotFound
from django.core.checks import CheckMessage
from django.utils import timezone

from holdfast.dispatch.django_api import (
    DEFAULT_TASK_QUEUE_NAME,
    BaseTaskBackend,
    InvalidTask,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultMismatch,
    TaskResultStatus,
    task_enqueued,
)
from holdfast.dispatch.django_calls import Call, new_result, result_of, set_return_value
from holdfast.dispatch.django_checks import check_backend
from holdfast.dispatch.django_errors import error_of
from holdfast.dispatch.django_run import NAME
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.reads.history import history_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """OPTIONS of a backend; they hold for all its tasks."""

    atomic: bool = False
    """Run the function and the end of its job in one transaction of the ledger's database."""
    max_retries: int = 0
    """How often a function that raised is run again."""
    retry_delay_seconds: float = 10.0
    """Pause before the first retry; it doubles with each, up to an hour."""
    expires_seconds: float | None = None
    """A job that has not begun after this time never runs."""
    time_limit: float | None = None
    """Seconds after which the process that runs the function is ended; the project's limit if None."""
    soft_time_limit: float | None = None
    """Seconds after which SoftTimeLimitExceeded is raised in the function; the project's limit if None."""


class HoldfastBackend(BaseTaskBackend):
    """Runs Django's tasks as durable jobs: `TASKS = {"default": {"BACKEND": "holdfast.tasks.HoldfastBackend"}}`."""

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self.settings = _read(alias, params.get("OPTIONS") or {})
        self.params = params

    def enqueue(self, task: Task[..., Any], args: Any, kwargs: Any) -> TaskResult[..., Any]:  # type: ignore[override]
        """Record one call: part of the transaction that is open, or committed when this returns.

        Raises:
            InvalidTask: the task cannot be run by this backend, or no worker would find its function.
            TypeError: an argument has no form in JSON.
        """
        self.validate_task(task)
        call = Call.of(task, args, kwargs, atomic=self.settings.atomic)
        app = _app()
        sent = app.tasks[NAME].apply_async(
            kwargs=call.as_kwargs(),
            queue=celery_queue(app, task.queue_name),
            priority=celery_priority(task.priority),
            eta=call.due(),
            expires=self.settings.expires_seconds,
            time_limit=self.settings.time_limit,
            soft_time_limit=self.settings.soft_time_limit,
        )
        result = new_result(task, sent.id, call)
        task_enqueued.send(sender=type(self), task_result=result)
        return _as_it_ended(result, sent) if app.conf.task_always_eager else result

    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """Read a result from the ledger; any process may ask, also for another backend's.

        Raises:
            TaskResultDoesNotExist: no Django task was enqueued under this id, or its row is pruned.
            TaskResultMismatch: its function is not to be found in this process.
        """
        history = history_of(str(result_id))
        accept = _app().backend.accept
        if history is None or history.task != NAME:
            raise TaskResultDoesNotExist(result_id)
        call = Call.of_history(history, accept=accept)
        if call is None:
            raise TaskResultDoesNotExist(result_id)
        try:
            return result_of(history, call, accept=accept)
        except InvalidTask as error:
            raise TaskResultMismatch(f"Job {result_id}: {error}") from error

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Return what is wrong with this backend's part of TASKS."""
        return [*super().check(**kwargs), *check_backend(self)]


def celery_queue(app: Any, queue_name: str) -> str:
    """Return the Celery queue of a queue's name: "default" is Celery's own default, others keep their name.

    Raises:
        InvalidTask: Celery does not know it, or it has many receivers.
    """
    default = queue_name == DEFAULT_TASK_QUEUE_NAME
    name = str(app.conf.task_default_queue) if default else queue_name
    try:
        durable = app.amqp._durable_queue(NAME, True, None, None, name)
    except (QueueNotFound, KeyError) as error:
        raise InvalidTask(
            f"Queue {name!r} is not among CELERY_TASK_QUEUES, and CELERY_TASK_CREATE_MISSING_QUEUES is off."
        ) from error
    if durable is None:
        raise InvalidTask(
            f"Queue {name!r} has many receivers: its messages are not recorded, so no task can be enqueued on it."
        )
    return name


def celery_priority(priority: int) -> int:
    """Return Celery's priority, 9 first: ten equal parts of -100 to 100; 0 is 4."""
    return (int(priority) + 100) * 10 // 201


def _as_it_ended(result: TaskResult[..., Any], sent: Any) -> TaskResult[..., Any]:
    """Return the result of a call that ran inside `enqueue()`: CELERY_TASK_ALWAYS_EAGER, for tests."""
    well, now = sent.successful(), timezone.now()
    ended = replace(
        result,
        status=TaskResultStatus.SUCCESSFUL if well else TaskResultStatus.FAILED,
        started_at=now,
        last_attempted_at=now,
        finished_at=now,
        errors=[] if well else [error_of(sent.result, str(sent.traceback or ""))],
        worker_ids=[socket.gethostname()],
    )
    if well:
        set_return_value(ended, sent.result)
    return ended


def _app() -> Any:
    if not hasattr(current_app, "outbox"):
        raise ConfigurationError(
            "The project's Celery app is celery.Celery, which records nothing. Write 'from holdfast import Celery' "
            "where the app is made, and import it in the project's __init__.py."
        )
    return current_app


def _read(alias: str, options: Mapping[str, Any]) -> Options:
    known = {field.name for field in fields(Options)}
    for key in options:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
            raise ConfigurationError(
                f"TASKS[{alias!r}]['OPTIONS'][{key!r}] is not an option: {hint}"
            )
    return Options(**options)
