"""How results, errors and children lie in the ledger, and how they come out again."""

from __future__ import annotations

import json
from typing import Any

from celery import states
from celery.contrib.abortable import ABORTED
from celery.exceptions import NotRegistered, Reject, TaskRevokedError, WorkerLostError
from kombu.exceptions import DecodeError
from kombu.serialization import dumps, loads

from holdfast import vault
from holdfast.interruptions import let_out_interruption
from holdfast.ledger.records import ResultMeta, StoredResult
from holdfast.ledger.states import CELERY_STATE, Reason, State
from holdfast.ledger.states import Hold as HoldReason


def store(
    value: Any,
    *,
    status: str,
    serializer: str,
    traceback: str | None = None,
    children: Any = None,
    encrypt: bool = False,
) -> StoredResult:
    """Encode a value with the result serializer, and encrypt it with its traceback if asked to.

    Raises:
        kombu.exceptions.EncodeError: the value cannot be written with it.
    """
    content_type, content_encoding, data = dumps(value, serializer=serializer)
    result = data.encode() if isinstance(data, str) else bytes(data)
    if encrypt:
        result, content_encoding = vault.encrypt(result, content_encoding)
        traceback = vault.encrypt_text(traceback) if traceback else traceback
    return StoredResult(
        status=status,
        result=result,
        content_type=content_type,
        content_encoding=content_encoding,
        traceback=traceback,
        children=json.dumps(children) if children else None,
    )


def load(stored: StoredResult, *, accept: Any) -> Any:
    """Decode a stored value.

    Raises:
        CannotDecrypt: it is encrypted, and its key is not here.
    """
    if stored.result is None:
        return None
    data, content_encoding = vault.decrypt(stored.result, stored.content_encoding)
    return loads(data, stored.content_type, content_encoding, accept=accept)


def read(stored: StoredResult, *, accept: Any) -> tuple[Any, str]:
    """Return a stored value and nothing, or None and why it cannot be read here."""
    try:
        return load(stored, accept=accept), ""
    except Exception as error:  # every serializer has its own tree of errors
        let_out_interruption(error)
        return None, repr(error)


def celery_status(meta: ResultMeta) -> str:
    """Return the state Celery's result API shows."""
    if meta.state is None:
        return meta.stored.status if meta.stored else states.PENDING
    state = State(meta.state)
    if is_named_by_body(meta):
        return meta.stored.status if meta.stored else states.SUCCESS
    if state == State.HELD and meta.hold == HoldReason.RETRY:
        return states.RETRY
    if state == State.RUNNING and meta.asked_to_stop:
        return ABORTED
    if (
        state == State.RUNNING
        and meta.stored
        and meta.stored.status not in states.READY_STATES | {states.RETRY}
    ):
        return meta.stored.status
    return CELERY_STATE[state]


def hides_progress(meta: ResultMeta) -> bool:
    """Tell a job that was asked to stop, and shows what its body stored as its progress all the same."""
    return (
        meta.state == State.RUNNING
        and meta.asked_to_stop
        and meta.stored is not None
        and meta.stored.status not in states.READY_STATES | {states.RETRY}
    )


def is_named_by_body(meta: ResultMeta) -> bool:
    """Tell a job that ended by Ignore in a state of its own naming: Celery shows that state ever after."""
    return (
        meta.reason == Reason.IGNORED
        and meta.stored is not None
        and meta.stored.status not in states.READY_STATES | {states.RETRY}
    )


def as_exception(backend: Any, value: Any) -> BaseException:
    """Return the error a task stored by itself as FAILURE, whatever it put there in place of one."""
    try:
        error = backend.exception_to_python(value)
    except (AttributeError, KeyError, TypeError, ValueError):
        error = None
    return error if isinstance(error, BaseException) else RuntimeError(str(value))


def ending_without_result(state: int, reason: str, error: str, task: str = "") -> BaseException:
    """Return the exception for a job that ended without leaving one."""
    if state in {State.CANCELLED, State.EXPIRED}:
        return TaskRevokedError(reason or "revoked")
    if reason == Reason.UNKNOWN_TASK:
        return NotRegistered(task)
    if reason == Reason.UNDECODABLE:
        return DecodeError(error or "the body cannot be decoded")
    if reason == Reason.REJECTED:
        return Reject(error or "rejected")
    if reason == Reason.POISON:
        return WorkerLostError(f"the job is dead: its worker was lost too often ({error})")
    return RuntimeError(error or reason or "failed")
