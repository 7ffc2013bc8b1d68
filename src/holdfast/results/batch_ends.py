"""What the ends of members make of their batch: first failure, completion, success, each called for exactly once.

Runs after the commit of a member's end: where its attempt ran, in the main process if that has written the end, and
in a loop of a worker for all others.
What if it dies here? The loop looks at every batch that may have an open member, so the next look does the rest.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import Any, TypeVar

from celery.canvas import maybe_signature
from django.db import transaction
from kombu.utils.json import loads

from holdfast.exceptions import UniqueConflict
from holdfast.ledger import batches
from holdfast.ledger.database import alias, atomic, is_passing
from holdfast.ledger.reads import queries
from holdfast.ledger.states import State
from holdfast.lineage import sending_into
from holdfast.tickets import BATCH

Known = TypeVar("Known", dict[str, list[None]], set[str])
logger = logging.getLogger("holdfast.results")
CANCEL_PAGE = 500
# While many members wait, this process need not look at each end: one look is good for a share of them. The shares of
# so many processes together are never all that wait, so the last of them are looked at one by one.
PROCESSES = 32
MOST_WAITING = 20 * PROCESSES
_spared: dict[str, list[None]] = {}
# Batches whose first failure is known to be noted: it stays so.
_failed: set[str] = set()
_REMEMBERED = 1000


def after_end(app: Any, request: Any, *, failed: bool = False) -> None:
    """Look at the batch of a job that has ended, once its end has committed; nothing to do if it is in none."""
    batch_id = getattr(request, BATCH, None)
    if batch_id is not None:
        transaction.on_commit(
            lambda: _look_safely(app, batch_id, failed=failed), using=alias(), robust=True
        )


def look(app: Any, batch_id: str, *, failed: bool = False) -> None:
    """Move a batch to the ends that have come, given that a member has just ended."""
    if failed and batch_id not in _failed:
        if batches.has_failed(batch_id):
            _remember(_failed).add(batch_id)
        else:
            finish(app, batch_id)
    with suppress(KeyError, IndexError):
        _spared[batch_id].pop()
        return
    waiting = batches.waiting(batch_id, most=MOST_WAITING)
    if waiting >= PROCESSES:
        _remember(_spared)[batch_id] = [None] * (waiting // PROCESSES - 1)
    elif not waiting and not batches.has_open(batch_id, running=True):
        finish(app, batch_id)


def look_after_many(app: Any, batch_id: str) -> None:
    """Move a batch to the ends that have come, given that members have succeeded of late: one question for all."""
    if not batches.has_open(batch_id):
        finish(app, batch_id)


def finish(app: Any, batch_id: str) -> None:
    """Move a batch to the ends that have come, by what the rows of all members say; each end and its call together."""
    with atomic():
        row = batches.lock(batch_id)
        if row is None:
            return
        # After the lock, in a statement of its own: whoever added members has committed them.
        found = batches.facts(batch_id)
        over = row.sealed_at is not None and not found.open
        come = {
            "failed": found.failed and row.failed_at is None,
            "completed": over and row.completed_at is None,
            "succeeded": over and not found.bad and not row.spoiled and row.succeeded_at is None,
        }
        if any(come.values()):
            batches.move(batch_id, called=_call(app, row, come), **come)
        if over:
            batches.rest(batch_id)
        parent = row.parent_id
        if parent is not None and (over or come["failed"]):
            transaction.on_commit(
                lambda: _look_safely(app, parent, failed=True), using=alias(), robust=True
            )
    if row.cancelled_at is not None and row.cancelling is None and found.open:
        cancel_members(app, [batch_id], terminate=False)


def cancel_members(app: Any, batch_ids: list[str], *, terminate: bool, ask: bool = False) -> int:
    """Cancel the members that wait; return how many, in pages of bounded size.

    Those that run are cancelled too with `terminate`, and asked to stop with `ask`; they are counted in the first case.
    """
    states = [State.HELD, State.QUEUED] + ([State.RUNNING] if terminate else [])
    count = 0
    while ids := queries.members_in(batch_ids, states, limit=CANCEL_PAGE):
        app.control.revoke(ids, terminate=terminate, ask=False)
        count += len(ids)
    if ask and not terminate:
        for batch_id in batch_ids:
            for job_id in batches.members(batch_id, [State.RUNNING]):
                app.control.revoke(job_id, ask=True)
    return count


def _remember(known: Known) -> Known:
    """Return what a process remembers of batches; all of it is forgotten now and then, and asked for again."""
    if len(known) >= _REMEMBERED:
        known.clear()
    return known


def _call(app: Any, row: batches.BatchRow, come: dict[str, bool]) -> str:
    """Record the callbacks of the ends that have come, as members of the batch around; return which jobs they are."""
    signatures: dict[str, Any] = loads(row.callbacks)
    called: dict[str, str] = json.loads(row.called)
    events = (("failure", "failed"), ("complete", "completed"), ("success", "succeeded"))
    # What tidies up after a cancelled batch is not cancelled with the batch around.
    around = row.parent_id if row.cancelled_at is None else None
    with sending_into(around):
        for event, end in events:
            if come[end] and event in signatures:
                # Like a link it gets what it follows, unless it is immutable: here the id of the batch.
                signature = maybe_signature(signatures[event], app=app)
                try:
                    called[event] = signature.apply_async((row.id,)).id
                except UniqueConflict as conflict:
                    # Like a link it leaves the work to the job that is there.
                    called[event] = conflict.job
    return json.dumps(called)


def _look_safely(app: Any, batch_id: str, *, failed: bool) -> None:
    try:
        look(app, batch_id, failed=failed)
    except Exception as error:
        # The member's end stands whatever happens here, and the loop looks again.
        if is_passing(error):
            logger.warning("Batch %s is left to the workers' loop: %s", batch_id, error)
        else:
            logger.exception("Batch %s could not be looked at; the loop tries again", batch_id)
