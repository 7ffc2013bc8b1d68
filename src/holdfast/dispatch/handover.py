"""A success on its way from where its body ran to the worker's main process, which writes many ends with one commit.

What if a process dies here? The row is still running: the attempt counts as lost, and the job runs again, as it would
have if its process had died a moment before the commit of an end of its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType

from celery import Task, current_app, signals, states
from celery._state import _task_stack
from celery.app import trace
from celery.app.task import Context
from celery.result import result_from_tuple

from holdfast.exceptions import AttemptLost
from holdfast.ledger import logs
from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import connection, is_passing, with_patience
from holdfast.ledger.holds import hold_from_mark
from holdfast.ledger.records import End, Hold, Part, StoredResult
from holdfast.lineage import patience_seconds
from holdfast.tickets import HEADER

if TYPE_CHECKING:
    from holdfast.dispatch.task import LedgerTask

# What a main process writes into the mark of an attempt whose end it takes, and what the attempt leaves there.
TAKES_END = "takes_end"
_LEFT = "left"
# A larger result or more lines would cost the main process more on their way than the end costs where it is.
MOST_BYTES = 8192
MOST_LOG_BYTES = 65536
# Their receivers do not ask how a job ended.
_INDIFFERENT = ("celery.", "holdfast.")

# An end as it travels: what was logged; of a result that is kept: encoded, its content type and encoding, the job's
# children; of a chord's member: group, position, its value in the same form, whether it is encrypted.
Left = tuple[str, tuple[Any, ...], tuple[Any, ...]]
# By class: whether Celery calls a hook of it between the body's end and the attempt's.
_hooked: dict[type, bool] = {}
# The receivers of task_postrun as they were when none of them asked how a job had ended.
_indifferent: list[Any] = []


def hand_over(
    task: LedgerTask, request: Any, value: Any, encoded: StoredResult | None, log: str
) -> bool:
    """Leave the end of an attempt to the worker's main process; False: it must be written here and now.

    It must where more belongs to it than its own rows, and where code of the project runs next that may ask for it.
    """
    mark = getattr(request, HEADER)
    if TAKES_END not in mark or _is_watched(task) or _is_in_transaction():
        return False
    left = task.backend.end_alone(request, value, encoded)
    if left is None:
        return False
    kept, part = left
    if (kept and len(kept[0]) > MOST_BYTES) or (part and len(part[2]) > MOST_BYTES):
        return False
    if log and len(log.encode()) > MOST_LOG_BYTES:
        return False
    mark[_LEFT] = (log, kept, part)
    return True


def end_of(hold: Hold, left: Left) -> End:
    """Return the end that an attempt has left."""
    log, kept, part = left
    stored = _stored(*kept) if kept else None
    if not part:
        return End(hold, stored, log)
    group, position, *value, secret = part
    return End(hold, stored, log, Part(group, position, _stored(*value), secret))


def write_as(task: Task, request: Context, end: End) -> bool:
    """Write an end as its attempt would have, with all that it sends on; False: the job has moved on."""
    # Else what is sent on would be nobody's child, with a root of its own.
    request.called_directly = False
    if end.stored is not None and end.stored.children:
        # What its body has sent.
        sent = json.loads(end.stored.children)
        request.children.extend(result_from_tuple(child, task.app) for child in sent)
    task.request_stack.push(request)
    _task_stack.push(task)
    try:
        with logs.kept_with_the_end(end.hold, lambda: end.log):
            task.backend.complete_left(task, end)
    except AttemptLost:
        return False
    finally:
        _task_stack.pop()
        task.request_stack.pop()
    return True


def trace_fast(name: str, id: str, request: dict[str, Any], *rest: Any) -> Any:
    """Run a job as Celery's processes do, and bring what its attempt has left as a fourth part of what comes back."""
    return _with_end(trace.fast_trace_task(name, id, request, *rest), name, id, request)


def trace_any(name: str, id: str, request: dict[str, Any], *rest: Any) -> Any:
    """Do the same where Celery has not set the process up for its tasks."""
    return _with_end(trace.trace_task_ret(name, id, request, *rest), name, id, request)


def _with_end(done: Any, name: str, id: str, request: dict[str, Any]) -> Any:
    mark = request[HEADER]
    left = mark.pop(_LEFT, None)
    if left is None:
        return done
    if done[0]:
        # Celery calls it an error after all, such as a time limit that struck a moment later: the body has ended well.
        _write_here(name, request, end_of(hold_from_mark(id, mark), left))
        return done
    return (*done, left)


def _stored(
    result: bytes | None, content_type: str, content_encoding: str, children: str | None = None
) -> StoredResult:
    return StoredResult(
        status=states.SUCCESS,
        result=result,
        content_type=content_type,
        content_encoding=content_encoding,
        children=children,
    )


def _write_here(name: str, request: dict[str, Any], end: End) -> None:
    """Write an end that cannot travel; nothing happens if the job has moved on."""

    def write() -> None:
        with answer_within(patience_seconds()):
            write_as(current_app.tasks[name], Context(request), end)

    try:
        with_patience(write, seconds=patience_seconds(), what=f"ending job {end.hold.id}")
    except Exception as error:
        # The worker's audit gives the job back.
        if not is_passing(error):
            raise


def _is_watched(task: LedgerTask) -> bool:
    """Tell whether somebody hears of the success where it happened, and finds it in the ledger."""
    cls = type(task)
    hooked = _hooked.get(cls)
    if hooked is None:
        from holdfast.dispatch.task import LedgerTask as Ours

        # A `__call__` of its own may do more after the end, and inside a transaction.
        hooked = _hooked[cls] = (
            cls.__call__ is not Ours.__call__
            or cls.on_success is not Task.on_success
            or cls.after_return is not Task.after_return
        )
    if hooked or signals.task_success.receivers:
        return True
    receivers = signals.task_postrun.receivers
    if receivers == _indifferent:
        return False
    if not all(_is_indifferent(receiver) for _, receiver in receivers):
        return True
    _indifferent[:] = receivers
    return False


def _is_indifferent(receiver: Any) -> bool:
    found = receiver() if isinstance(receiver, ReferenceType) else receiver
    return found is None or str(getattr(found, "__module__", "")).startswith(_INDIFFERENT)


def _is_in_transaction() -> bool:
    here = connection()
    return here.in_atomic_block or not here.get_autocommit() if here.connection else False
