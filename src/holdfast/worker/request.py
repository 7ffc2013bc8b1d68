"""A claimed job on its way through the worker's main process: what the pool reports becomes a move in the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery.app.task import Context
from celery.exceptions import WorkerLostError
from celery.worker.request import Request
from celery.worker.state import task_ready

from holdfast import vault
from holdfast.dispatch.bodies import AttemptStopped
from holdfast.dispatch.handover import Left, end_of, trace_any, trace_fast, write_as
from holdfast.dispatch.redaction import redaction_of
from holdfast.exceptions import AttemptLost
from holdfast.ledger.holds import hold_from_mark, is_secret
from holdfast.ledger.records import End, Hold
from holdfast.lineage import leaving_it_to
from holdfast.tickets import BATCH, HEADER
from holdfast.worker.current import current_intake
from holdfast.worker.intake import Intake
from holdfast.worker.processes import is_prefork, listened_to

logger = logging.getLogger("holdfast.worker")


class LedgerRequest(Request):
    """Celery's request; for a durable job the ledger decides what revoked, lost and timed out mean."""

    hold: Hold | None = None
    intake: Intake
    _stock_on_success: Callable[..., Any]
    _stock_execute: Callable[..., Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Of the class that Celery makes for each task: there it defines these two itself, in front of ours.
        if cls.__module__ == Request.__module__:
            cls._stock_on_success = cls.on_success
            cls._stock_execute = cls.execute_using_pool
            cls.on_success = LedgerRequest._on_end
            cls.execute_using_pool = LedgerRequest._execute

    def __init__(self, message: Any, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        mark = self._request_dict.get(HEADER)
        if mark is not None and "worker" in mark:
            self.hold = hold_from_mark(self.id, mark)
            self.intake = current_intake(self._app)
            self.intake.attach(self)

    def _execute(self, pool: Any, **kwargs: Any) -> Any:
        """Have the pool run the job, and bring the end that its attempt leaves to this process."""
        if self.hold is None:
            return self._stock_execute(pool, **kwargs)
        task = self._task
        limit, soft_limit = self.time_limits
        body, content_type = self._body, self._content_type
        if getattr(pool, "body_can_be_buffer", False):
            # It runs in this process, where the body has been decoded.
            body, content_type = self._payload, None
        result = pool.apply_async(
            trace_fast if self._app.use_fast_trace_task else trace_any,
            args=(
                self._type,
                self.id,
                self._request_dict,
                body,
                content_type,
                self._content_encoding,
            ),
            accept_callback=self.on_accepted,
            timeout_callback=self.on_timeout,
            callback=self.on_success,
            error_callback=self.on_failure,
            soft_timeout=soft_limit or task.soft_time_limit,
            timeout=limit or task.time_limit,
            correlation_id=self.id,
        )
        listened_to(result)
        self._apply_result = None if result is None else ref(result)
        return result

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Begin, unless the job was taken away while it waited for a thread; an error here ends it unrun.

        Raises:
            AttemptLost: somebody else's now, or cancelled.
        """
        if self.hold is not None and self.intake.begins_late and not self.intake.stands(self):
            task_ready(self)
            raise AttemptLost(self.hold.id, self.hold.token)
        super().on_accepted(pid, time_accepted)

    def _on_end(self, failed__retval__runtime: Any, **kwargs: Any) -> Any:
        if self.hold is None:
            return self._stock_on_success(failed__retval__runtime, **kwargs)
        if isinstance(failed__retval__runtime, ExceptionInfo):
            # A thread whose body raised SystemExit or the like: its pool reports an error in place of an end.
            self.on_failure(failed__retval__runtime)
            return None
        if len(failed__retval__runtime) > 3:
            *done, left = failed__retval__runtime
            self._on_left(tuple(done), left)
            return None
        stopped = _was_stopped(failed__retval__runtime)
        try:
            return self._stock_on_success(failed__retval__runtime, **kwargs)
        finally:
            if stopped:
                # Once whoever stops it has said why; in a cold stop nobody comes to it, and the job stays held.
                self.intake.in_loop(self._end_stopped)
            else:
                self.intake.release(self.hold, run_time=failed__retval__runtime[2])

    def _on_left(self, done: tuple[Any, ...], left: Left) -> None:
        """The body has ended well, and its attempt leaves the end to this process."""
        assert self.hold is not None
        then = None
        # Not among the ids that Celery keeps of successes: by them it knows what is delivered again, which no claim is.
        task_ready(self)
        if self._task.acks_late:
            self.acknowledge()
        if self._eventer and self._eventer.enabled:
            # Who hears of a success may ask the ledger for it.
            tell = partial(self.send_event, "task-succeeded", result=done[1], runtime=done[2])
            then = partial(self.intake.in_loop, tell)
        batch = self._request_dict.get(BATCH)
        end = end_of(self.hold, left)
        alone = partial(self._write, end) if end.part is not None else None
        self.intake.end(end, run_time=done[2], batch=batch, then=then, alone=alone)

    def _write(self, end: End) -> bool:
        """Write the end of a chord's last member as its attempt would have, with the body it sends."""
        args, kwargs, embed = self._payload
        context = Context(self._request_dict, args=args, kwargs=kwargs, **embed or {})
        return write_as(self._task, context, end)

    def _end_stopped(self) -> None:
        """Give the job of a body back that was stopped, which does nothing if it has moved on."""
        assert self.hold is not None
        hold, intake = self.hold, self.intake
        intake.release(hold)
        if not self._already_revoked:
            intake.clerk.submit(lambda: intake.give_back([hold], cause="its body was stopped"))

    def send_event(self, type: str, **fields: Any) -> None:
        """Send an event without the secrets of the result, and with no words at all of a job that is encrypted."""
        if not (self._eventer and self._eventer.enabled):
            return
        secret = is_secret(_Headers(self._request_dict))
        if isinstance(fields.get("result"), str):
            shown = redaction_of(self._task).text(fields["result"])
            fields["result"] = vault.SHOWN if secret else shown
        if secret and "exception" in fields:
            fields["exception"] = str(fields["exception"]).partition("(")[0]
            fields["traceback"] = vault.frames_of(str(fields.get("traceback") or ""))
        super().send_event(type, **fields)

    def revoked(self) -> bool:
        """The claim has asked the ledger; the worker's memory of revoked ids would forget a replay."""
        return False if self.hold is not None else bool(super().revoked())

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        """A child that is gone is a loss, and not a failure of the task."""
        if self.hold is None:
            super().on_failure(exc_info, send_failed_event, return_ok)
            return
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        stopped = self._already_cancelled or self._already_revoked
        if (
            not return_ok
            and not stopped
            and isinstance(error, WorkerLostError | SystemExit | KeyboardInterrupt)
        ):
            task_ready(self)
            hold, cause = self.hold, str(error) or repr(error)
            logger.error("Job %s (%s): its process is gone: %s", self.id, self.name, cause)
            self.intake.clerk.submit(lambda: self.intake.lose(hold, cause=cause))
        else:
            with leaving_it_to(self.intake.clerk.submit):
                super().on_failure(exc_info, send_failed_event, return_ok)
        if not return_ok:
            self.intake.release(self.hold)

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """Kill the process that runs the job; once that is gone the job goes back."""
        if self.hold is not None and self.time_start and is_prefork(pool):
            self.intake.killed.add(self.hold)
        super().cancel(pool, signal, emit_retry)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """A hard time limit fails the job; the pool kills the process that runs it once this has returned.

        Until then that process may hold what the ledger waits for, such as SQLite's only writer.
        """
        if self.hold is None:
            super().on_timeout(soft, timeout)
            return
        with leaving_it_to(self.intake.clerk.submit):
            super().on_timeout(soft, timeout)
        if not soft:
            self.intake.release(self.hold)


def _was_stopped(failed__retval__runtime: Any) -> bool:
    failed, retval, _ = failed__retval__runtime
    error = retval.exception if failed else None
    return isinstance(getattr(error, "exc", error), AttemptStopped)


class _Headers:
    def __init__(self, headers: dict[str, Any]) -> None:
        self.__dict__.update(headers)
