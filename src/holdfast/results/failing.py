"""An attempt that ends in failure: its move and the word to all who wait for the job are one transaction.

What if the process dies here? Before the commit the job stays running and the lease gives it to somebody else. After it
the job has failed and everybody has been told, but for the hook `on_failure`, which nobody calls any more.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.exceptions import MaxRetriesExceededError, TimeLimitExceeded

from holdfast import vault
from holdfast.ledger import logs, lost_spans, transitions
from holdfast.ledger.database import atomic, is_passing
from holdfast.ledger.fingerprints import kind_of
from holdfast.ledger.holds import is_secret
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold, StoredResult
from holdfast.ledger.states import Reason, State
from holdfast.results import batch_ends, successors
from holdfast.spans import By

logger = logging.getLogger("holdfast.results")


class Failure:
    """The failure of one attempt; recording it may be asked again after the database broke off.

    Until it is recorded the request is marked: `on_failure` is not for an attempt whose failure is not the job's.
    """

    def __init__(
        self,
        backend: Any,
        hold: Hold,
        request: Any,
        exc: BaseException,
        traceback: Any,
        *,
        stored: StoredResult | None,
        state: str,
    ) -> None:
        self._backend, self._hold, self._request = backend, hold, request
        self._exc, self._traceback = exc, traceback
        self._stored, self._state = stored, state
        request.update(holdfast_stale=True)

    def record(self, *, call_errbacks: bool) -> None:
        """End the attempt, and tell the job's chord, chain, error callbacks and batch."""
        try:
            ended = self._fail_and_tell(call_errbacks=call_errbacks)
        except Exception as error:
            if is_passing(error):
                raise
            # Without this the job would be given back and run again, as often as its failure cannot be told.
            logger.exception("Job %s failed, and those who wait for it are not told", self._hold.id)
            ended = self._fail(told=False)
        if ended or self._was_recorded():
            self._request.update(holdfast_stale=False)
        else:
            logger.info(
                "Job %s has moved on: this failure of its attempt is not recorded", self._hold.id
            )
        batch_ends.after_end(self._backend.app, self._request, failed=True)

    def _fail_and_tell(self, *, call_errbacks: bool) -> bool:
        with atomic():
            if isinstance(self._exc, TimeLimitExceeded):
                cause = f"hard limit of {', '.join(map(str, self._exc.args))} s"
                lost_spans.tell_killed(self._hold, cause=cause, by=By.TIME_LIMIT)
            ended = self._fail()
            if ended:
                successors.tell_failure(
                    self._backend,
                    self._request,
                    self._exc,
                    self._traceback,
                    state=self._state,
                    call_errbacks=call_errbacks,
                )
            return ended

    def _fail(self, *, told: bool = True) -> bool:
        request, exc = self._request, self._exc
        secret, where = is_secret(request), str(self._traceback or "")
        last = _was_last_try(self._backend.app.tasks.get(request.task), request, exc)
        lines = request.get("holdfast_lines")
        with logs.kept_with_the_end(self._hold, lines.text if lines else None):
            return transitions.fail(
                self._hold,
                stored=self._stored,
                error=vault.words_of(exc, secret=secret),
                kind=kind_of(exc),
                traceback=vault.frames_of(where) if secret else where,
                reason=Reason.RETRIES_EXHAUSTED if last else Reason.ERROR,
                told=told,
            )

    def _was_recorded(self) -> bool:
        """Tell whether an earlier try is in after all: the answer to its commit was lost."""
        mine = (State.FAILED, self._hold.token + 1, self._hold.worker)
        return queries.state_of(self._hold.id) == mine


def _was_last_try(task: Any, request: Any, exc: BaseException) -> bool:
    """Tell a failure after the last retry from one that nothing would have retried."""
    if isinstance(exc, MaxRetriesExceededError):
        return True
    said = request.get("holdfast_last_try")
    if said is not None or getattr(task, "retry_rules", None):
        return bool(said)
    # What `self.retry(max_retries=...)` said last counts more than the task's own.
    most = getattr(task, "override_max_retries", None)
    most = getattr(task, "max_retries", None) if most is None else most
    return bool(request.retries) and most is not None and request.retries >= most
