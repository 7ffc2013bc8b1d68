"""The errors of a Django task's attempts: the class and the traceback of each, as far as the ledger keeps them."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from typing import Any

from celery.exceptions import NotRegistered, Reject, TaskRevokedError, WorkerLostError
from celery.utils.serialization import UnpickleableExceptionWrapper
from kombu.exceptions import DecodeError
from kombu.serialization import loads

from holdfast.dispatch.django_api import TaskError
from holdfast.ledger.reads.history import History, PastAttempt
from holdfast.ledger.states import Outcome, Reason, State

# Ends that no attempt of the job brought about.
_FROM_OUTSIDE: dict[str, type[Exception]] = {
    Reason.CANCELLED: TaskRevokedError,
    Reason.EXPIRED: TaskRevokedError,
    Reason.UNKNOWN_TASK: NotRegistered,
    Reason.UNDECODABLE: DecodeError,
}
_RAISED = {Outcome.FAILED, Outcome.RETRIED}
# An error that cannot be pickled, as Celery shows it: the module and the name of its class come first.
_WRAPPED = re.compile(rf"{UnpickleableExceptionWrapper.__name__}\('([\w.]+)', '(\w+)'")
_LAST_LINE = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)


def errors_of(history: History, *, accept: Any) -> list[TaskError]:
    """Return one error for each attempt that raised or was lost, oldest first.

    A job that was ended from outside, by a cancel for example, has one more that says so.
    """
    raised = [attempt for attempt in history.past if attempt.outcome in _RAISED]
    stored = _stored_class(history, accept=accept) if history.state == State.FAILED else None
    errors = []
    for attempt in history.past:
        if attempt.outcome in _RAISED:
            known = stored if attempt is raised[-1] else None
            path = known or _named_by(attempt)
        elif attempt.outcome == Outcome.LOST:
            path = path_of(WorkerLostError)
        elif attempt.outcome == Outcome.REJECTED:
            path = path_of(Reject)
        else:
            continue
        errors.append(_error(path, attempt.traceback or attempt.error))
    ending = _FROM_OUTSIDE.get(history.reason)
    if ending is not None:
        errors.append(_error(path_of(ending), history.reason))
    return errors


def error_of(exc: BaseException, traceback: str) -> TaskError:
    """Return an error that has just been raised."""
    if isinstance(exc, UnpickleableExceptionWrapper):
        return _error(f"{exc.exc_module}.{exc.exc_cls_name}", traceback)
    return _error(path_of(type(exc)), traceback)


def path_of(cls: type[BaseException]) -> str:
    """Return the path a class is imported by."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _error(path: str, traceback: str) -> TaskError:
    return TaskError(exception_class_path=path, traceback=traceback)


def _stored_class(history: History, *, accept: Any) -> str | None:
    """Return the class of the stored error: what Celery made of it before it was written."""
    stored = history.stored
    if stored is None or stored.result is None:
        return None
    value = loads(stored.result, stored.content_type, stored.content_encoding, accept)
    if isinstance(value, BaseException):
        return error_of(value, "").exception_class_path
    if not isinstance(value, Mapping) or "exc_type" not in value:
        return None
    module, name, said = value.get("exc_module"), value["exc_type"], value.get("exc_message")
    if name == UnpickleableExceptionWrapper.__name__ and isinstance(said, list | tuple):
        module, name = said[:2]
    return f"{module or 'builtins'}.{name}"


def _named_by(attempt: PastAttempt) -> str:
    """Return the class that the text of an older error names; the ledger keeps no more of it."""
    wrapped = _WRAPPED.match(attempt.error)
    if wrapped:
        return f"{wrapped[1]}.{wrapped[2]}"
    below = attempt.traceback.rpartition("Traceback (most recent call last):\n")[2]
    found = _LAST_LINE.search(below)
    name = found[1] if found else attempt.error.partition("(")[0]
    if "." in name:
        return name
    return f"builtins.{name}" if hasattr(builtins, name) else path_of(Exception)
