"""A call of a Django task as it lies in a job of the ledger, and the TaskResult that a job's history stands for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, Self, cast

from django.utils import timezone
from kombu.serialization import loads
from kombu.utils.json import loads as loads_json

from holdfast import vault
from holdfast.dispatch.django_api import (
    InvalidTask,
    InvalidTaskBackend,
    Task,
    TaskResult,
    TaskResultStatus,
    normalize_json,
)
from holdfast.dispatch.django_errors import errors_of
from holdfast.interruptions import let_out_interruption
from holdfast.ledger.reads.history import History
from holdfast.ledger.states import State

STATUS = {
    State.HELD: TaskResultStatus.READY,
    State.QUEUED: TaskResultStatus.READY,
    State.RUNNING: TaskResultStatus.RUNNING,
    State.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    State.FAILED: TaskResultStatus.FAILED,
    State.CANCELLED: TaskResultStatus.FAILED,
    State.EXPIRED: TaskResultStatus.FAILED,
    State.DEAD: TaskResultStatus.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is recorded of one call: plain values, given to the Celery task as its keyword arguments.

    Attributes:
        path: where the function is, as "module:name".
        run_after: the earliest time it may run, in ISO format.
        atomic: whether the body and the job's end are one transaction.
    """

    path: str
    args: list[Any]
    kwargs: dict[str, Any]
    backend: str
    queue_name: str
    priority: int = 0
    run_after: str | None = None
    atomic: bool = False

    @classmethod
    def of(cls, task: Task[..., Any], args: Any, kwargs: Any, *, atomic: bool) -> Self:
        """Write down a call.

        Raises:
            InvalidTask: a worker would not find the function again.
            TypeError: an argument has no form in JSON.
        """
        call = cls(
            path=f"{task.func.__module__}:{task.func.__qualname__}",
            args=cast("list[Any]", normalize_json(args)),
            kwargs=cast("dict[str, Any]", normalize_json(kwargs)),
            backend=task.backend,
            queue_name=task.queue_name,
            priority=task.priority,
            run_after=task.run_after.isoformat() if task.run_after else None,
            atomic=atomic,
        )
        if task.func.__module__ == "__main__":
            raise InvalidTask(
                f"Task {call.path} is defined in the script that is run: no worker can import it. Move it into a "
                "module of the project."
            )
        if find_task(call.path).func is not task.func:
            raise InvalidTask(
                f"Task {call.path}: a worker would find another function under this name. Give the function a name "
                "of its own in its module, and do not wrap it after @task."
            )
        return call

    @classmethod
    def of_history(cls, history: History, *, accept: Any) -> Self | None:
        """Read the call back from a job; None if its body is gone or cannot be read."""
        if history.body is None:
            return None
        try:
            headers = loads_json(history.headers)
            body, encoding = vault.opened(history.body, history.content_encoding, headers)
            _, kwargs, _ = loads(body, history.content_type, encoding, accept)
            return cls(**kwargs)
        except Exception as error:  # the serializer decides which; the job itself ends as dead
            let_out_interruption(error)
            return None

    def as_kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments of the Celery task."""
        return asdict(self)

    def due(self) -> datetime | None:
        """Return the earliest time it may run, with its zone."""
        moment = datetime.fromisoformat(self.run_after) if self.run_after else None
        return timezone.make_aware(moment) if moment and timezone.is_naive(moment) else moment

    def task(self) -> Task[..., Any]:
        """Return the task with the options of this call.

        Raises:
            InvalidTask: there is no such task in this process.
        """
        found = find_task(self.path)
        try:
            return found.using(
                backend=self.backend,
                queue_name=self.queue_name,
                priority=self.priority,
                run_after=datetime.fromisoformat(self.run_after) if self.run_after else None,
            )
        except (InvalidTask, InvalidTaskBackend):
            # TASKS has changed since: what was accepted once is still run, and its result still shown.
            return found


def find_task(path: str) -> Task[..., Any]:
    """Import a task by "module:name".

    Only what the project made a task is found: whoever can write a job must not be able to call any function.

    Raises:
        InvalidTask: there is nothing under this name, or it is no task.
    """
    module_name, _, name = path.partition(":")
    try:
        module = import_module(module_name)
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidTask(
            f"Task {path} cannot be imported: {error}. Deploy the code that defines it, then replay the job."
        ) from error
    if isinstance(found, Task):
        return found
    for value in vars(module).values():
        if isinstance(value, Task) and value.func is found:
            return value
    raise InvalidTask(f"{path} is not a task: decorate the function with @task in its module.")


def result_of(history: History, call: Call, *, accept: Any) -> TaskResult[..., Any]:
    """Return what a job's history says, as Django shows it.

    Raises:
        InvalidTask: the task cannot be imported in this process.
    """
    status = STATUS[history.state]
    workers = [str(attempt.worker or "unknown") for attempt in history.past]
    if history.attempts > len(workers) and history.worker is not None:
        workers.append(str(history.worker))
    first = history.past[0].started_at if history.past else history.started_at
    result: TaskResult[..., Any] = TaskResult(
        task=call.task(),
        id=history.id,
        status=status,
        enqueued_at=history.recorded_at,
        started_at=first or history.started_at,
        last_attempted_at=history.started_at,
        finished_at=history.finished_at,
        args=call.args,
        kwargs=call.kwargs,
        backend=call.backend,
        errors=errors_of(history, accept=accept),
        worker_ids=workers,
    )
    if status == TaskResultStatus.SUCCESSFUL and history.stored and history.stored.result:
        stored = history.stored
        value = loads(stored.result, stored.content_type, stored.content_encoding, accept)
        set_return_value(result, value)
    return result


def new_result(task: Task[..., Any], id: str, call: Call, **known: Any) -> TaskResult[..., Any]:
    """Return the result of a call whose row need not be read: it has just been recorded, or there is none."""
    values: dict[str, Any] = {
        "status": TaskResultStatus.READY,
        # This machine's clock: `refresh()` brings the database's.
        "enqueued_at": timezone.now(),
        "started_at": None,
        "last_attempted_at": None,
        "finished_at": None,
        "errors": [],
        "worker_ids": [],
    }
    return TaskResult(
        task=task, id=id, args=call.args, kwargs=call.kwargs, backend=call.backend, **values | known
    )


def set_return_value(result: TaskResult[..., Any], value: Any) -> None:
    """Set what `return_value` gives; the dataclass is frozen and takes it in no other way."""
    object.__setattr__(result, "_return_value", value)
