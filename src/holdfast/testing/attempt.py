"""One attempt inside the test's process, on a worker's own path: claim, Celery's tracer, the ledger's end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from uuid import UUID

from celery import states
from celery.app.trace import build_tracer
from celery.exceptions import InvalidTaskError
from celery.worker.request import Request
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.message import Message
from kombu.serialization import prepare_accept_content

from holdfast.dispatch.bodies import finished
from holdfast.exceptions import HoldfastError
from holdfast.ledger import transitions
from holdfast.ledger.reads import queries
from holdfast.ledger.records import ClaimedJob, Hold
from holdfast.ledger.states import Reason, State
from holdfast.testing import faults
from holdfast.testing.recorded import shown
from holdfast.testing.transaction import Body, Marks, kept_open
from holdfast.worker.filling import fill


class JobDied(HoldfastError):
    """A job cannot be run: its row says dead."""


def run(app: Any, job: ClaimedJob, *, worker: UUID) -> Exception | None:
    """Run a claimed job as a worker does, and end its attempt; return the error it has ended in.

    A retry, a replacement and an attempt that was ignored are no errors.

    Raises:
        HoldfastError: the end could not be recorded.
    """
    hold = Hold(job.id, job.token, worker)
    task = app.tasks.get(job.task)
    try:
        if task is None:
            raise InvalidTaskError(f"no task named {job.task} is registered here")
        request, args, kwargs = _request_of(app, task, job, hold)
    except (InvalidTaskError, ContentDisallowed, DecodeError, ValueError, TypeError) as unreadable:
        reason = Reason.UNKNOWN_TASK if task is None else Reason.UNDECODABLE
        transitions.bury_attempt(hold, reason=reason, error=repr(unreadable))
        return _death(job)
    name = shown(job.task, args, kwargs)[0]
    stale = faults.lapses_now(name)
    if stale:
        transitions.lose(hold, cause="holdfast.testing: its lease ran out")
    try:
        error = _trace(app, task, request, name)
    except (faults.WorkerDied, SystemExit) as death:
        transitions.lose(hold, cause=f"holdfast.testing: {death!r}")
        return _death(job)
    if queries.state_of(job.id) == (State.RUNNING, hold.token, hold.worker):
        # A worker's audit finds it too.
        transitions.hand_back([hold], cause="holdfast.testing: its end was not recorded")
        raise HoldfastError(
            f"The end of job {job.id} ({job.task}) could not be recorded, and a worker would run it again. What "
            f"came before: {error!r}, and what the log says."
        ) from error
    return _death(job) or (None if stale else error)


def _trace(app: Any, task: Any, request: dict[str, Any], name: str) -> Exception | None:
    """Let Celery's tracer run the attempt; return what it reports as failed, or an error of an on_commit hook."""
    trace = build_tracer(task.name, task, app=app, hostname=request["hostname"])
    try:
        with kept_open() as marks, _around_body(task, marks, name):
            _, info, _, _ = trace(request["id"], request["args"], request["kwargs"], request)
    except Exception as error:  # noqa: BLE001  # whatever it is, the test shall see it with the job's name
        return error
    failed = info is not None and info.state == states.FAILURE
    return info.retval if failed else None


def _request_of(
    app: Any, task: Any, job: ClaimedJob, hold: Hold
) -> tuple[dict[str, Any], Any, Any]:
    """Decode the job as the pool does, and return the request with the arguments."""
    message = Message(
        delivery_info={"exchange": "", "routing_key": job.queue},
        accept=prepare_accept_content(app.conf.accept_content),
    )
    fill(message, job, worker=hold.worker)
    request = Request(message, app=app, task=task).request_dict
    args, kwargs, embed = message.payload
    return request | {"is_eager": False} | (embed or {}), args, kwargs


@contextmanager
def _around_body(task: Any, marks: Marks, name: str) -> Iterator[None]:
    """Put the test's transaction around the first call of a task's body, on the inside of `autoretry_for`."""
    place = "_orig_run" if hasattr(task, "_orig_run") else "run"
    stock, own = getattr(task, place), vars(task).get(place)
    begun = False

    @wraps(stock)
    def body(*args: Any, **kwargs: Any) -> Any:
        nonlocal begun
        if begun:
            return stock(*args, **kwargs)
        begun = True
        around = Body(marks, atomic=task.atomic)
        try:
            value = finished(task, stock(*args, **kwargs))
        except BaseException:
            around.leave()
            raise
        around.commit()
        if faults.dies_now(name):
            raise faults.WorkerDied
        return value

    setattr(task, place, body)
    try:
        yield
    finally:
        if own is None:
            delattr(task, place)
        else:
            setattr(task, place, own)


def _death(job: ClaimedJob) -> JobDied | None:
    state, reason = queries.ending_of(job.id) or (None, "")
    if state != State.DEAD:
        return None
    return JobDied(
        f"Job {job.id} ({job.task}) is dead after attempt {job.attempt}: {reason}. "
        f"{queries.last_error(job.id)}"
    )
