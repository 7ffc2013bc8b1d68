"""The life of an attempt, inside the process or thread that runs it: the body, its end, and every other way to leave.

What if it dies here? Before the end's commit: the row stays running and the lease gives the job to somebody
else. After it: the job is done, and what it sent on is in the ledger with it.
"""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from traceback import format_exception
from typing import TYPE_CHECKING, Any

from celery.exceptions import Ignore, Reject, Retry

from holdfast import spans, vault
from holdfast.conf import get_settings
from holdfast.correlation import CORRELATION, correlated
from holdfast.dispatch.bodies import AttemptStopped, BodyStopped
from holdfast.dispatch.handover import hand_over
from holdfast.dispatch.retrying import bounded, run_body
from holdfast.exceptions import Aborted, AttemptLost, HoldfastError
from holdfast.interruptions import let_out_interruption
from holdfast.ledger import fence, logs, snoozing, transitions
from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import (
    atomic,
    close_connection,
    connection,
    dialect,
    end_half_begun,
    is_passing,
    job_runs_again,
    with_patience,
)
from holdfast.ledger.fingerprints import kind_of
from holdfast.ledger.holds import hold_from, is_secret
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold, NewJob, Ticket
from holdfast.ledger.states import Outcome, Reason
from holdfast.lineage import patience_seconds, running
from holdfast.policies.aborting import soft_limit
from holdfast.policies.checkpoints import forgetting
from holdfast.policies.log_lines import gathering, new_lines
from holdfast.policies.snooze import Snooze

if TYPE_CHECKING:
    from holdfast.dispatch.task import LedgerTask

logger = logging.getLogger("holdfast.attempt")
# Where a request keeps what its body asked its job to become.
_MOVE = "holdfast_move"


def run(task: LedgerTask, request: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run the body of a claimed job and end the attempt the way the body leaves."""
    headers = request.headers
    if spans.tracer is None and not (headers and CORRELATION in headers):
        return _run(task, request, args, kwargs)
    span = None if spans.tracer is None else spans.tracer.running(task, request)
    try:
        with correlated((headers or {}).get(CORRELATION, "")):
            return _run(task, request, args, kwargs)
    finally:
        if span is not None:
            span.end()


def _run(task: LedgerTask, request: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    hold = hold_from(request)
    if hold is None or request.is_eager:
        return _run_unrecorded(task, args, kwargs)
    _drop_dead_connection()
    try:
        args, kwargs = task.arguments_to_run(args, kwargs)
        lines = request.holdfast_lines = new_lines()
        with logs.kept_with_the_end(hold, lines.text if lines else None):
            if task.atomic:
                return _run_atomic(task, request, hold, args, kwargs)
            return _run_plain(task, request, hold, args, kwargs)
    except AttemptLost as lost:
        raise Ignore(str(lost)) from None
    except BodyStopped:
        raise AttemptStopped(f"the attempt of job {hold.id} was stopped") from None
    finally:
        if reporter := getattr(request, "holdfast_progress", None):
            reporter.close()
        end_half_begun()


def leave_early(task: LedgerTask, leaving: Exception) -> None:
    """End an attempt that leaves before its body has begun."""
    hold = hold_from(task.request)
    if hold is None or task.request.is_eager:
        _refuse_unrecorded(task, leaving)
        return
    try:
        _patiently(partial(_leave, task, hold, leaving), hold)
    except AttemptLost as lost:
        raise Ignore(str(lost)) from None


def _run_unrecorded(task: LedgerTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run a body that no row stands for: of a task with durable=False, or inline."""
    args, kwargs = task.arguments_to_run(args, kwargs)
    try:
        return run_body(task, task.request, args, kwargs)
    except BodyStopped:
        raise AttemptStopped(f"job {task.request.id} was stopped") from None
    except Snooze as leaving:
        _refuse_unrecorded(task, leaving)
        raise


def _refuse_unrecorded(task: LedgerTask, leaving: Exception) -> None:
    """Let a snooze of a job that is in no ledger fail: taken for an Ignore, the job would be gone.

    Raises:
        HoldfastError: it is one.
    """
    if isinstance(leaving, Snooze) and not task.request.is_eager:
        raise HoldfastError(
            f"Task {task.name}[{task.request.id}] snoozed, but it is plain Celery and nothing would bring it back. "
            "Remove durable=False, or call self.retry(countdown=...) instead."
        ) from leaving


def _run_plain(
    task: LedgerTask, request: Any, hold: Hold, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    backend = task.backend
    alone = backend.complete
    try:
        with running(hold, soft_limit(task, request)), gathering(request.holdfast_lines):
            value = run_body(task, request, args, kwargs)
            complete = forgetting(hold, alone)
    except (Retry, Ignore, Reject) as leaving:
        _patiently(partial(_leave, task, hold, leaving), hold)
        raise
    if getattr(request, _MOVE, None) is not None:
        # retry(throw=False): the body went on to its end, the job is put back all the same.
        _patiently(partial(_retry, task, hold, None), hold)
        raise Ignore("put back by retry(throw=False)")
    encoded = backend.encode_success(request, value)
    # What makes its end more than a row or two is written where the body was, in one transaction.
    if complete is not alone or not hand_over(task, request, value, encoded, logs.pending(hold)):
        _patiently(partial(complete, task, hold, value, encoded), hold)
    _mark_ended(request)
    return value


def _run_atomic(
    task: LedgerTask, request: Any, hold: Hold, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    leaving: Ignore | None = None
    value = None
    body_begun = body_over = False
    wire: Any = None
    try:
        with ExitStack() as commit, atomic():
            wire = connection().connection
            fence.mark(hold)
            started = time.monotonic()
            body_begun = True
            try:
                with (
                    running(hold, {"atomic": True, **soft_limit(task, request)}),
                    gathering(request.holdfast_lines),
                ):
                    value = run_body(task, request, args, kwargs)
            except (Snooze, Aborted):
                raise
            except Ignore as ignore:
                # Ignore and replace() end the job as they find it: what the body wrote is kept.
                leaving = ignore
            _refuse_long_writer(started)
            commit.enter_context(answer_within(patience_seconds()))
            if leaving is not None:
                _leave(task, hold, leaving)
            elif _move(task) is not None:
                raise Retry("retry(throw=False) rolls an atomic body back")
            else:
                with job_runs_again():
                    task.backend.complete(
                        task, hold, value, task.backend.encode_success(request, value)
                    )
            body_over = True
    except (Retry, Reject, Snooze, Aborted) as leaving_undone:
        _patiently(partial(_leave, task, hold, leaving_undone), hold)
        raise
    except Exception as error:
        let_out_interruption(error)
        if (
            isinstance(error, AttemptLost)
            or not is_passing(error)
            or (body_begun and not body_over and _survived(wire))
        ):
            raise
        _after_broken_commit(task, hold, error)
    _mark_ended(request)
    if leaving is not None:
        raise leaving
    return value


def _after_broken_commit(task: LedgerTask, hold: Hold, error: Exception) -> None:
    """The connection broke and nobody knows whether the transaction is in: read the row, never guess."""
    close_connection()
    found = _patiently(lambda: queries.state_of(hold.id), hold)
    if found is not None and found[1] == hold.token + 1 and found[2] == hold.worker:
        return
    logger.warning(
        "Job %s: the database broke off (%s); its transaction is undone and the job goes back",
        hold.id,
        error,
    )
    tickets = _patiently(
        lambda: transitions.hand_back([hold], cause=f"database broke off: {error}"), hold
    )
    _publish(task, tickets)
    raise Ignore(f"job {hold.id} was handed back: its transaction was undone by the database")


def _leave(task: LedgerTask, hold: Hold, leaving: Exception) -> None:
    if isinstance(leaving, Retry):
        _retry(task, hold, leaving)
    elif isinstance(leaving, Snooze):
        delay = None if leaving.seconds is None else timedelta(seconds=leaving.seconds)
        snoozing.snooze(hold, delay=delay, until=leaving.until, reason=leaving.reason)
    elif isinstance(leaving, Reject):
        if getattr(leaving, "requeue", False):
            _publish(task, transitions.hand_back([hold], cause="rejected with requeue"))
        else:
            reason = repr(getattr(leaving, "reason", leaving))
            transitions.reject(hold, error="rejected" if is_secret(task.request) else reason)
    elif isinstance(leaving, Aborted):
        transitions.revoke(hold, reason=Reason.ABORTED)
    elif _move(task) is not None:
        _replace(task, hold)
    elif not task.request.get("holdfast_ended"):
        task.backend.complete_ignored(task, hold)


def _retry(task: LedgerTask, hold: Hold, leaving: Retry | None) -> None:
    job = _move(task)
    if job is None:
        # Retry raised by hand: Celery would leave it in RETRY for ever.
        raise HoldfastError(
            f"Job {hold.id} raised Retry itself: nothing says when it is to run again. Call self.retry() instead."
        )
    longest = task.request.get("holdfast_longest_wait")
    if longest is not None and job.due_at is not None:
        # Somebody else named the moment: what is left until then is the database's to say.
        job.delay_seconds = bounded(job.due_at, longest=longest, now=dialect().now())
        job.due_at = None
    exc = getattr(leaving, "exc", None)
    stored = task.backend.encode_retry(task.request, exc)
    raised = exc is not None and exc.__traceback__ is not None
    where = "".join(format_exception(exc)) if raised else ""
    secret = is_secret(task.request)
    ticket = transitions.retry(
        hold,
        job=job,
        stored=stored,
        error=vault.words_of(
            exc, secret=secret, otherwise="retry" if secret else str(leaving or "retry")
        ),
        kind=kind_of(exc) if exc is not None else "",
        traceback=vault.frames_of(where) if secret else where,
    )
    if ticket is not None:
        _publish(task, [ticket])


def _replace(task: LedgerTask, hold: Hold) -> None:
    job = _move(task)
    assert job is not None
    ticket = transitions.retry(hold, job=job, stored=None, error="", outcome=Outcome.REPLACED)
    if ticket is not None:
        _publish(task, [ticket])


def _publish(task: LedgerTask, tickets: Sequence[Ticket]) -> None:
    task.app.outbox.publish_on_commit(tickets)


def _move(task: LedgerTask) -> NewJob | None:
    """Return what the body asked this very job to become: a retry or a replacement sent with its own id."""
    job: NewJob | None = getattr(task.request, _MOVE, None)
    return job


def _mark_ended(request: Any) -> None:
    """Tell the tracer that links, chain and result are in the ledger already."""
    request.callbacks = request.chain = None
    request.holdfast_ended = True


def _patiently(work: Any, hold: Hold) -> Any:
    """Do ledger work after the body: a database that is away must not turn a success into a failure."""
    end_half_begun()
    try:
        return with_patience(
            partial(_bounded, work), seconds=patience_seconds(), what=f"ending job {hold.id}"
        )
    except Exception as error:
        if not is_passing(error):
            raise
        # The row stays running; the worker's audit gives it back, and the lease does if the worker dies.
        raise Ignore(f"the end of job {hold.id} could not be recorded: {error}") from error


def _bounded(work: Any) -> Any:
    with answer_within(patience_seconds()):
        return work()


def _refuse_long_writer(started: float) -> None:
    longest = get_settings().lease_seconds / 3
    if connection().vendor == "sqlite" and time.monotonic() - started > longest:
        raise HoldfastError(
            f"An atomic body held SQLite's only writer for more than {longest:.0f} s, which keeps every heartbeat "
            "waiting; it is rolled back. Do the slow part in a task that is not atomic, or use PostgreSQL."
        )


def _survived(wire: Any) -> bool:
    """Tell whether the transaction's own connection still stands; Django opens another in its place without a word."""
    here = connection()
    return wire is not None and here.connection is wire and here.is_usable()


def _drop_dead_connection() -> None:
    """Close a connection the server has closed meanwhile, so that the body does not fail on its first query."""
    here = connection()
    if here.connection is None:
        return
    if not here.settings_dict["CONN_MAX_AGE"]:
        # Django's default, one connection a request, would be one a job here, and cost more than the job.
        here.close_at = None
    here.close_if_unusable_or_obsolete()
    raw = here.connection
    if here.vendor == "postgresql" and raw is not None and not here.in_atomic_block:
        poller = select.poll()
        poller.register(raw.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        if poller.poll(0) and not here.is_usable():
            close_connection()
