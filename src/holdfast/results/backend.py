"""Celery's result backend over the ledger: results, states and chords are rows, written with the job's end.

Runs in every process. Jobs that are not durable keep the backend the project has configured.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from traceback import format_exception
from typing import Any

from celery import states
from celery.contrib.abortable import ABORTED
from celery.exceptions import NotRegistered, TaskRevokedError

from holdfast.exceptions import AttemptLost
from holdfast.ledger import interventions, lost_spans, transitions
from holdfast.ledger.database import atomic, is_passing, with_patience
from holdfast.ledger.fingerprints import kind_of
from holdfast.ledger.holds import hold_from, is_secret
from holdfast.ledger.reads import queries
from holdfast.ledger.records import End, Hold, StoredResult
from holdfast.ledger.states import Reason, State
from holdfast.lineage import is_telling_secrets, leave, patience_seconds
from holdfast.results import batch_ends, encoding, successors
from holdfast.results.failing import Failure
from holdfast.results.reading import LedgerReader
from holdfast.results.requests import ignores_result, was_sent, without_chord
from holdfast.spans import By

logger = logging.getLogger("holdfast.results")


class LedgerBackend(LedgerReader):
    """The ledger as Celery's result store."""

    def encode_success(self, request: Any, value: Any) -> StoredResult | None:
        """Encode a result before anything is written; None if nobody keeps it."""
        if ignores_result(request, self.app):
            return None
        return encoding.store(
            self.prepare_value(value),
            status=states.SUCCESS,
            serializer=self.serializer,
            encrypt=is_secret(request),
        )

    def encode_retry(self, request: Any, exc: BaseException | None) -> StoredResult | None:
        """Encode the error a retry comes from, with its traceback if it was raised."""
        if exc is None or ignores_result(request, self.app):
            return None
        traceback = "".join(format_exception(exc)) if exc.__traceback__ else None
        return self._encode_error(exc, states.RETRY, traceback, secret=is_secret(request))

    def complete(self, task: Any, hold: Hold, value: Any, encoded: StoredResult | None) -> None:
        """End an attempt in success, together with all that it sends on.

        Raises:
            AttemptLost: the job has moved on; nothing is written and nothing sent.
        """
        request = task.request
        if not (request.callbacks or request.chain or request.chord):
            if encoded is not None:
                encoded.children = _children_of(self, request)
            if not transitions.succeed(hold, stored=encoded) and not _ended_well(hold):
                raise AttemptLost(hold.id, hold.token)
            batch_ends.after_end(self.app, request)
            return
        children = len(request.children)
        # Of a chord's members only the last one sends something: the others store their result with their end.
        early = encoded if not (request.callbacks or request.chain) else None
        if early is not None:
            early.children = _children_of(self, request)
        try:
            with atomic():
                if not transitions.succeed(hold, stored=early):
                    if _ended_well(hold):
                        return
                    raise AttemptLost(hold.id, hold.token)
                successors.send(self, task, value)
                if encoded is not None and (early is None or len(request.children) > children):
                    encoded.children = _children_of(self, request)
                    transitions.store_result(hold.id, encoded)
        except Exception:
            del request.children[children:]
            raise
        batch_ends.after_end(self.app, request)

    def end_alone(
        self, request: Any, value: Any, encoded: StoredResult | None
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
        """Return what a success keeps and its part of a chord, to be written elsewhere; None if something is sent on.

        What a `StoredResult` and a `Part` are made of, and nothing where there is none.
        """
        if request.callbacks or request.chain:
            return None
        part = successors.part_of(self, request, value, encoded) if request.chord else ()
        if encoded is None:
            return (), part
        kept = (encoded.result, encoded.content_type, encoded.content_encoding)
        return (*kept, _children_of(self, request)), part

    def complete_left(self, task: Any, end: End) -> None:
        """End an attempt in success that has left its end; in the place of its task, whose request is the attempt's.

        Raises:
            AttemptLost: the job has moved on; nothing is written and nothing sent.
        """
        value = encoding.load(end.part.value, accept=self.accept) if end.part is not None else None
        self.complete(task, end.hold, value, end.stored)

    def complete_ignored(self, task: Any, hold: Hold) -> None:
        """End an attempt whose body raised Ignore: as the state it stored says, else in success without result.

        No link or next step follows, but a chord that waits for this job goes on, or is told of the failure.
        """
        request = task.request
        meta = queries.result_metas([hold.id]).get(hold.id)
        stored = meta.stored if meta else None
        if stored is not None and stored.status == states.REVOKED:
            ended = transitions.revoke(hold)
        elif stored is not None and stored.status == states.FAILURE:
            error = "stored by the task before it raised Ignore"
            exc = encoding.as_exception(self, encoding.load(stored, accept=self.accept))
            with atomic():
                ended = transitions.fail(hold, stored=None, error=error, kind=kind_of(exc))
                if ended:
                    successors.tell_failure(
                        self, request, exc, None, state=states.FAILURE, call_errbacks=False
                    )
        else:
            value = encoding.load(stored, accept=self.accept) if stored is not None else None
            with atomic():
                ended = transitions.ignore(hold)
                if ended:
                    successors.tell_ignored(self, request, value)
        if not ended and not _ended_well(hold):
            raise AttemptLost(hold.id, hold.token)
        batch_ends.after_end(self.app, request, failed=True)

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        """Called by Celery after the body; durable attempts ended with it already."""
        if getattr(request, "holdfast_ended", False):
            return
        hold = hold_from(request)
        if hold is None and not was_sent(request):
            super().mark_as_done(task_id, result, request, store_result, state)
        elif hold is None:
            self.configured.mark_as_done(
                task_id, result, without_chord(request), store_result, state
            )
            if request.chord:
                self.on_chord_part_return(request, state, result)
        else:
            # A `__call__` that went around the ledger's: Celery has sent the successors, the end is missing.
            stored = self.encode_success(request, result)
            with atomic():
                if transitions.succeed(hold, stored=stored) and request.chord:
                    self.on_chord_part_return(request, state, result)
            batch_ends.after_end(self.app, request)

    def mark_as_failure(
        self,
        task_id: str,
        exc: BaseException,
        traceback: Any = None,
        request: Any = None,
        store_result: bool = True,
        call_errbacks: bool = True,
        state: str = states.FAILURE,
    ) -> None:
        """Record that a job failed, and tell its chord, chain and error callbacks in the same transaction."""
        hold = hold_from(request)
        if isinstance(exc, NotRegistered) and self._bury_unknown(task_id, request, hold):
            return
        if hold is None:
            self._fail_plain(task_id, exc, traceback, request, store_result, call_errbacks, state)
            return
        secret = is_secret(request)
        stored = self._encode_error(exc, state, traceback, secret=secret) if store_result else None
        failure = Failure(self, hold, request, exc, traceback, stored=stored, state=state)
        end = partial(failure.record, call_errbacks=call_errbacks)
        if not leave(end):
            what = f"failing job {task_id}"
            self._survive(lambda: with_patience(end, seconds=patience_seconds(), what=what))

    def mark_as_retry(
        self, task_id: str, exc: Any, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        """Durable attempts have moved already; Celery's own retries go to the configured backend."""
        if hold_from(request) is not None:
            return None
        if not was_sent(request):
            return super().mark_as_retry(task_id, exc, traceback, request=request, **kwargs)
        return self.configured.mark_as_retry(task_id, exc, traceback, request=request, **kwargs)

    def mark_as_revoked(
        self,
        task_id: str,
        reason: str = "",
        request: Any = None,
        store_result: bool = True,
        state: str = states.REVOKED,
    ) -> None:
        """Record that an attempt was stopped on purpose, unless its job has moved on."""
        hold = hold_from(request)
        if hold is None and not was_sent(request):
            super().mark_as_revoked(task_id, reason, request, store_result, state)
            return
        if hold is None:
            self.configured.mark_as_revoked(
                task_id, reason, without_chord(request), store_result, state
            )
            if request.chord:
                self.on_chord_part_return(request, state, TaskRevokedError(reason))
            return

        def end() -> None:
            with atomic():
                lost_spans.tell_killed(hold, cause=reason, by=By.CANCEL)
                transitions.revoke(hold)
            batch_ends.after_end(self.app, request)

        if not leave(end):
            self._survive(end)

    def settle(self, job_id: str) -> None:
        """Tell those who wait for a job that ended without its own attempt (dead, cancelled, expired)."""
        message = queries.message_of(job_id)
        ending = queries.ending_of(job_id)
        if message is None or ending is None:
            interventions.settle(job_id)
            return
        task, headers, body, content_type, content_encoding = message
        exc = encoding.ending_without_result(*ending, queries.last_error(job_id), task)
        revoked = ending[0] in {State.CANCELLED, State.EXPIRED}
        with atomic():
            if interventions.settle(job_id):
                request = successors.request_of(
                    job_id, task, headers, body, content_type, content_encoding, self.accept
                )
                state = states.REVOKED if revoked else states.FAILURE
                successors.tell_failure(
                    self, request, exc, None, state=state, call_errbacks=not revoked
                )

    def finish_batch(self, batch_id: str) -> None:
        """Move a batch to the ends that have come, in one transaction with the callbacks they call for."""
        batch_ends.finish(self.app, batch_id)

    def cancel_members(self, batch_ids: list[str], *, terminate: bool, ask: bool = False) -> int:
        """Cancel the members of batches that wait, and stop or ask those that run if told to; return how many."""
        return batch_ends.cancel_members(self.app, batch_ids, terminate=terminate, ask=ask)

    def _bury_unknown(self, task_id: str, request: Any, hold: Hold | None) -> bool:
        """A waiting job whose task this worker does not know becomes dead; False if it is not one of ours."""
        if hold is not None:
            return False
        return bool(
            self._survive(
                lambda: interventions.bury(task_id, reason=Reason.UNKNOWN_TASK, task=request.name)
            )
        )

    def _fail_plain(
        self,
        task_id: str,
        exc: BaseException,
        traceback: Any,
        request: Any,
        store_result: bool,
        call_errbacks: bool,
        state: str,
    ) -> None:
        if was_sent(request):
            self.configured.mark_as_failure(
                task_id, exc, traceback, without_chord(request), store_result, call_errbacks, state
            )
            if request.chord:
                self.on_chord_part_return(request, state, exc)
            return
        # A job that was never sent, such as the body of a chord whose header failed.
        if store_result:
            self.store_result(task_id, exc, state, traceback=traceback)
        if request is not None:
            successors.tell_failure(
                self, request, exc, traceback, state=state, call_errbacks=call_errbacks
            )

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **kwargs: Any,
    ) -> Any:
        hold = hold_from(request)
        if hold is None and was_sent(request):
            return self.configured._store_result(
                task_id, result, state, traceback, request=request, **kwargs
            )
        if hold is not None and (hold.id != task_id or state == states.STARTED):
            return result
        stored = encoding.store(
            result,
            status=state,
            serializer=self.serializer,
            traceback=traceback,
            encrypt=is_secret(request) or is_telling_secrets(),
        )
        if hold is not None:
            transitions.store_result(task_id, stored, hold=hold)
        elif state == ABORTED and queries.known([task_id]):
            # `AbortableAsyncResult.abort()`: what waits never runs, what runs is asked to stop.
            interventions.cancel([task_id], running=False, ask=True)
        else:
            interventions.store_bare(task_id, stored, failed=state in states.PROPAGATE_STATES)
        return result

    def apply_chord(self, header_result_args: Any, body: Any, **kwargs: Any) -> None:
        """Begin to count a chord's members; the last one's end sends the body."""
        successors.open_chord(header_result_args)

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Correct the count once nested members are known."""
        successors.resize(group_id, chord_size)

    def add_to_chord(self, chord_id: str, result: Any) -> None:
        """Let a chord wait for one more member."""
        successors.grow(chord_id)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        """Count a member's end, and send the body after the last."""
        successors.return_part(self, request, state, result)

    def _call_task_errbacks(self, request: Any, exc: BaseException, traceback: Any) -> None:
        successors.record_errbacks(self, request, exc, traceback)

    def _fail_chain(self, chain: Any, *args: Any, **kwargs: Any) -> None:
        super()._fail_chain(list(successors.steps_left(chain)), *args, **kwargs)

    def _encode_error(
        self, exc: BaseException, state: str, traceback: Any, *, secret: bool
    ) -> StoredResult:
        return encoding.store(
            self.prepare_exception(exc),
            status=state,
            serializer=self.serializer,
            traceback=None if traceback is None else str(traceback),
            encrypt=secret,
        )

    def _survive(self, ask: Callable[[], Any]) -> Any:
        """Ask the ledger where an error would stop the worker's main process: what is not written, heals."""
        try:
            return ask()
        except Exception as error:
            if not is_passing(error):
                raise
            logger.warning(
                "The ledger does not answer (%s): the job is left to the worker's audit", error
            )
            return None


def _children_of(backend: LedgerBackend, request: Any) -> str | None:
    children = backend.current_task_children(request)
    return json.dumps(children) if children else None


def _ended_well(hold: Hold) -> bool:
    """Tell whether this very attempt's success is in: the answer to its commit may have been lost."""
    return queries.state_of(hold.id) == (State.SUCCEEDED, hold.token + 1, hold.worker)
