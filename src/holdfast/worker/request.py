"""A claimed job on its way through the worker's main process: what the pool reports becomes a move in the ledger."""

from __future__ import annotations

import logging
from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery.exceptions import WorkerLostError
from celery.worker.request import Request
from celery.worker.state import task_ready

from holdfast import vault
from holdfast.dispatch.bodies import AttemptStopped
from holdfast.dispatch.redaction import redaction_of
from holdfast.exceptions import AttemptLost
from holdfast.ledger.holds import hold_from, is_secret
from holdfast.ledger.records import Hold
from holdfast.lineage import leaving_it_to
from holdfast.worker.intake import current_intake

logger = logging.getLogger("holdfast.worker")


class LedgerRequest(Request):
    """Celery's request; for a durable job the ledger decides what revoked, lost and timed out mean."""

    hold: Hold | None = None

    def __init__(self, message: Any, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.hold = hold_from(_Headers(self._request_dict))
        if self.hold is not None:
            self.intake = current_intake(self._app)
            self.intake.attach(self)
            # Celery's generated subclass defines on_success itself; only the instance comes before it.
            self.on_success = self._on_end

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
        assert self.hold is not None
        if isinstance(failed__retval__runtime, ExceptionInfo):
            # A thread whose body raised SystemExit or the like: its pool reports an error in place of an end.
            self.on_failure(failed__retval__runtime)
            return None
        stopped = _was_stopped(failed__retval__runtime)
        try:
            stock: Any = getattr(type(self), "on_success")  # noqa: B009  # the class's, not ours
            return stock(self, failed__retval__runtime, **kwargs)
        finally:
            if stopped:
                # Once whoever stops it has said why; in a cold stop nobody comes to it, and the job stays held.
                self.intake.in_loop(self._end_stopped)
            else:
                self.intake.release(self.hold, run_time=failed__retval__runtime[2])

    def _end_stopped(self) -> None:
        """Give the job of a body back that was stopped, which does nothing if it has moved on."""
        assert self.hold is not None
        hold, intake = self.hold, self.intake
        intake.release(hold)
        if not self._already_revoked:
            intake.clerk.submit(lambda: intake.give_back([hold], cause="its body was stopped"))

    def send_event(self, type: str, **fields: Any) -> None:
        """Send an event without the secrets of the result, and with no words at all of a job that is encrypted."""
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
