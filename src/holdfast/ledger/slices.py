"""Operations worked off, a slice at a time: what is moved and how far it has come are one transaction.

What if it dies here? Before the commit the slice has not happened, and the next one does it. After it, before the
tickets are on the broker: the jobs are queued, and the reconciler finds that the broker does not hold them. Two that
ask at once never get the same operation: its row is locked for the slice, and the other one skips it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from holdfast.ledger import interventions, operations, purging
from holdfast.ledger.batch_walks import BatchWalk
from holdfast.ledger.database import atomic, is_passing
from holdfast.ledger.fence import lock
from holdfast.ledger.models.operations import RUNNING, Operation
from holdfast.ledger.purging import QueueWalk
from holdfast.ledger.reads.search.bodies import Examination, Unread, examine
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.records import Ticket
from holdfast.ledger.rerouting import reroute
from holdfast.ledger.walks import END, SLICE, Seen, Walk

logger = logging.getLogger("holdfast.ledger")
# Jobs whose turn came while somebody's transaction held them; with so many the walk waits for them.
MOST_PUT_OFF = 2000


@dataclass(slots=True)
class Worked:
    """What one slice of one operation has done."""

    operation: int
    tickets: list[Ticket] = field(default_factory=list)
    """To be published."""
    stopped: list[str] = field(default_factory=list)
    """Jobs that ran and are cancelled: their workers are to be told."""
    waits: bool = False
    """Nothing but jobs that somebody's transaction holds is left of it."""
    ended: bool = False


@dataclass(slots=True)
class _Moved:
    done: int = 0
    failed: int = 0
    error: str = ""
    tickets: list[Ticket] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)


AnyWalk = Walk | QueueWalk | BatchWalk
Look = Callable[[JobFilter], Examination | None]


def work(look: Look, *, but: Sequence[int] = ()) -> Worked | None:
    """Work off one slice of the operation that has waited longest, but for some; None: there is nothing to do.

    Jobs that were recorded, or ended, after it was asked for are left alone.

    Args:
        look: returns how jobs are looked into for a filter that asks for what they were called with.
        but: operations that are left for later.

    Raises:
        DatabaseError: the connection or a lock failed; nothing of the slice has happened.
    """
    try:
        with atomic():
            row = _next(but)
            return None if row is None else _slice(row, look)
    except _Broken as broken:
        # The slice is rolled back; that it can never succeed is noted by a transaction of its own.
        logger.exception("Operation %d cannot go on", broken.operation)
        operations.end(broken.operation, operations.FAILED, actor="", error=str(broken))
        return Worked(broken.operation, ended=True)


class _Broken(Exception):
    """An operation cannot go on, whatever is tried."""

    def __init__(self, operation: int, why: str) -> None:
        super().__init__(why)
        self.operation = operation


def _next(but: Sequence[int]) -> Operation | None:
    open_ones = operations.rows().filter(state=RUNNING).exclude(id__in=list(but))
    fair = open_ones.order_by(F("worked_at").asc(nulls_first=True), "id")
    return fair.select_for_update(skip_locked=True).first()


def _slice(row: Operation, look: Look) -> Worked:
    worked = Worked(row.id)
    try:
        wanted, options = JobFilter.of(json.loads(row.filter)), json.loads(row.options)
        states = operations.states_for(row.kind, options, frozenset(wanted.states))
        walk = _walk(row, wanted, states, options)
        again = row.cursor == END or len(json.loads(row.put_off)) >= MOST_PUT_OFF
        seen = _put_off(row, walk) if again else _next_page(row, walk, look(wanted))
        # From here on they are ours: what a verb does to them waits for nobody.
        free = lock(walk.among(one.id for one in seen), wait=False)
        mine = [Seen(*values) for values in free.values_list(*Seen._fields)]
        moved = _move(row, mine, options)
    except Exception as error:
        if is_passing(error):
            raise
        raise _Broken(row.id, f"{type(error).__name__}: {error}") from error
    busy = {one.id for one in seen} - {one.id for one in mine}
    # What is not free and does not match any more has moved on.
    held = list(walk.among(busy).values_list("id", flat=True)) if busy else []
    row.put_off = json.dumps(json.loads(row.put_off) + held)
    row.done += moved.done
    row.failed += moved.failed
    row.skipped += len(seen) - len(held) - moved.done - moved.failed
    row.error = moved.error or row.error
    row.worked_at = Now()
    worked.tickets, worked.stopped = moved.tickets, moved.stopped
    worked.ended = row.cursor == END and row.put_off == "[]"
    worked.waits = again and bool(held) and not moved.done
    if worked.ended:
        row.state, row.ended_at = operations.DONE, Now()
        operations.note_end(row, operations.DONE, actor=row.actor)
    row.save()
    return worked


def _walk(
    row: Operation, wanted: JobFilter, states: frozenset[int], options: dict[str, Any]
) -> AnyWalk:
    if row.kind == operations.PURGE:
        until = datetime.fromisoformat(options["until"])
        return QueueWalk(wanted.queue, until=until, later=options["later"])
    if row.kind == operations.CANCEL_BATCH:
        return BatchWalk(operations.tree_of(wanted.batch), states)
    if row.kind == operations.REPLAY_BATCH:
        return BatchWalk(operations.tree_of(wanted.batch), states, ended_by=row.id)
    return Walk(row.id, wanted, states, asked_at=row.asked_at)


def _next_page(row: Operation, walk: AnyWalk, examination: Examination | None) -> list[Seen]:
    if not isinstance(walk, Walk):
        ids, cursor = walk.next_page(row.cursor)
        row.cursor = cursor or END
        return [Seen(*values) for values in walk.among(ids).values_list(*Seen._fields)]
    seen, row.cursor = walk.next_page(row.cursor)
    # Of what cannot be read nobody can say that it is meant: it is left alone.
    fits = examine([one.id for one in seen], examination, Unread())
    return [one for one in seen if one.id in fits]


def _put_off(row: Operation, walk: AnyWalk) -> list[Seen]:
    """Return those whose turn has come again; who is put off once more waits behind the others."""
    ids: list[str] = json.loads(row.put_off)
    row.put_off = json.dumps(ids[SLICE:])
    found = [Seen(*values) for values in walk.among(ids[:SLICE]).values_list(*Seen._fields)]
    row.skipped += len(ids[:SLICE]) - len(found)
    return found


def _move(row: Operation, seen: Sequence[Seen], options: dict[str, Any]) -> _Moved:
    """Move jobs that are locked; if it cannot be done with all of them at once, each by itself."""
    if not seen:
        return _Moved()
    move = _MOVES[row.kind]
    try:
        with atomic():
            return move(seen, options)
    except Exception as error:
        if is_passing(error):
            raise
        logger.warning("Operation %d: a slice is moved job by job (%s)", row.id, error)
    every = _Moved()
    for one in seen:
        try:
            with atomic():
                alone = move([one], options)
        except Exception as error:
            if is_passing(error):
                raise
            every.failed += 1
            every.error = f"Job {one.id}: {type(error).__name__}: {error}"[:2000]
        else:
            every.done += alone.done
            every.tickets += alone.tickets
            every.stopped += alone.stopped
    return every


def _replay(seen: Sequence[Seen], options: dict[str, Any]) -> _Moved:
    del options
    tickets = interventions.replay_many(_tokens(seen), actor=None)
    return _Moved(done=len(tickets), tickets=tickets)


def _discard(seen: Sequence[Seen], options: dict[str, Any]) -> _Moved:
    del options
    return _Moved(done=interventions.discard(_tokens(seen), actor=None))


def _cancel(seen: Sequence[Seen], options: dict[str, Any]) -> _Moved:
    what = options.get("running", operations.LEAVE)
    stopped = interventions.cancel(
        [one.id for one in seen], running=what == operations.STOP, ask=what == operations.ASK
    )
    return _Moved(done=len(seen), stopped=stopped)


def _purge(seen: Sequence[Seen], options: dict[str, Any]) -> _Moved:
    del options
    purging.cancel_locked([one.id for one in seen])
    return _Moved(done=len(seen))


def _reroute(seen: Sequence[Seen], options: dict[str, Any]) -> _Moved:
    tickets = reroute(_tokens(seen), queue=options.get("queue"), priority=options.get("priority"))
    return _Moved(done=len(tickets), tickets=tickets)


_MOVES: dict[str, Callable[[Sequence[Seen], dict[str, Any]], _Moved]] = {
    operations.REPLAY: _replay,
    operations.DISCARD: _discard,
    operations.CANCEL: _cancel,
    operations.QUEUE: _reroute,
    operations.PRIORITY: _reroute,
    operations.PURGE: _purge,
    operations.CANCEL_BATCH: _cancel,
    operations.REPLAY_BATCH: _replay,
}


def _tokens(seen: Sequence[Seen]) -> dict[str, int]:
    return {one.id: one.token for one in seen}
