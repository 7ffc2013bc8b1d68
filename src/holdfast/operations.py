"""One thing done to every job that matches: asked for here, worked off by the workers, slice by slice.

    from holdfast import operations

    asked = operations.ask("replay", {"task": "shop.tasks.charge", "state": "failed"}, actor="ada")
    operations.find(asked.id).done

What was asked for is a row of the ledger: it survives every process, and each job is moved once. Jobs that are
recorded, or end, after it was asked for are left alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from celery import Celery, current_app

from holdfast.dispatch import said
from holdfast.dispatch.argument_search import examination_of
from holdfast.exceptions import OperationRefused, SelectionRefused
from holdfast.ledger import batches, purging, slices
from holdfast.ledger import operations as ledger
from holdfast.ledger.database import dialect
from holdfast.ledger.operations import KINDS, RUNNING_JOBS, OperationRow
from holdfast.ledger.reads import batch_reads, matches
from holdfast.ledger.reads.queries import live_workers
from holdfast.ledger.reads.search import texts
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.listing import JobRow
from holdfast.ledger.rerouting import refuse
from holdfast.tickets import to_publish

__all__ = [
    "AT_ONCE",
    "KINDS",
    "OperationRow",
    "Trial",
    "ask",
    "find",
    "is_worked",
    "listed",
    "run",
    "stop",
    "try_out",
    "words",
]

SAMPLES = 5
# Up to so many jobs are moved by who asks: by a page, by the command. More are left to an operation.
AT_ONCE = 2_000
OF_BATCHES = frozenset({ledger.CANCEL_BATCH, ledger.REPLAY_BATCH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an operation would do if it were asked for now."""

    kind: str
    filter: str
    """In words, as `ask` reads it."""
    count: int
    exact: bool
    """Whether the jobs were counted; else there may be more of them, or the number is an estimate."""
    everything: bool
    """Whether it would be done to every job there is: to ask for it, that has to be said."""
    samples: list[JobRow]
    until: datetime | None = None
    """Of a purge: the moment at which the jobs were counted. Given to `ask`, exactly they are meant."""


def try_out(
    kind: str,
    filter: Mapping[str, Any] | str,
    *,
    running: str = ledger.LEAVE,
    later: bool = False,
    until: datetime | None = None,
) -> Trial:
    """Count what an operation would move, and show a few of the jobs; nothing is changed.

    Args:
        kind: as of `ask`; the others too.
        filter: which jobs.
        running: of "cancel" and "cancel-batch".
        later: of "purge".
        until: of "purge".

    Raises:
        OperationRefused: there is no such kind, or the filter is none for it.
        SelectionRefused: something in the filter is unknown.
    """
    wanted = _matching(filter)
    options = _options(kind, queue="-", priority=0, running=running, later=later)
    _refuse_other_words(kind, wanted)
    states = ledger.states_for(kind, options, frozenset(wanted.states))
    examination = examination_of(current_app, wanted)
    count, exact, moment = _count(kind, wanted, options, until)
    return Trial(
        kind=kind,
        filter=texts.write(wanted),
        count=count,
        exact=exact,
        everything=_is_everything(wanted),
        samples=_shown(matches.samples(wanted, states, examination=examination, limit=SAMPLES)),
        until=moment,
    )


def ask(  # noqa: PLR0913  # each is of some kinds
    kind: str,
    filter: Mapping[str, Any] | str,
    *,
    actor: str,
    reason: str = "",
    queue: str | None = None,
    priority: int | None = None,
    running: str = ledger.LEAVE,
    later: bool = False,
    until: datetime | None = None,
    everything: bool = False,
) -> OperationRow:
    """Ask for something to be done to every job that matches; returns at once.

    One transaction, or part of the one that is open. The worker with the duty of upkeep works it off, so it waits
    while there is none: `run` does it in this process. It goes on where it was when a process dies.

    Args:
        kind: "replay" (finished jobs; dead letters, unless the filter names other states), "cancel" (jobs that wait,
            and others as `running` says), "discard" (dead letters), "queue" or "priority" (jobs that wait), "purge"
            (what waits in one queue, whose name is the filter: "queue:mail"), "cancel-batch" (the members of one
            batch, those of inner batches and those that are added later too: "batch:ID"), "replay-batch" (the dead
            letters among the members of one batch, those of inner batches too).
        filter: what the jobs have in common, in the words of the console's list of jobs, such as
            "task:shop.charge error:timeout", or the same as a dictionary.
        actor: who asks, for the audit.
        reason: why, for the audit.
        queue: where they are to wait, for "queue".
        priority: 0 to 9, for "priority".
        running: of "cancel" and "cancel-batch": what becomes of jobs that run: "leave", "ask" (they are asked to stop)
            or "stop".
        later: of "purge": jobs whose time is to come as well: with an ETA, a countdown, or a retry that waits.
        until: of "purge": only what waited at that moment, by the database's clock; None is now.
        everything: say so if it is meant for all jobs there are.

    Raises:
        OperationRefused: it would match everything and nobody said so; or there is no such kind, or what it takes is
            missing.
        SelectionRefused: something in the filter is unknown.
    """
    wanted = _matching(filter)
    options = _options(kind, queue=queue, priority=priority, running=running, later=later)
    _refuse_other_words(kind, wanted)
    if _is_everything(wanted) and not everything:
        raise OperationRefused(
            f"This would {kind} every job there is: say which jobs in the filter, or everything=True if it is meant so."
        )
    count, exact, moment = _count(kind, wanted, options, until)
    if kind == ledger.CANCEL_BATCH:
        id = ledger.cancel_batch(
            wanted.batch,
            options=options,
            actor=str(actor),
            reason=reason,
            total=count,
            exact=exact,
        )
    else:
        id = ledger.ask(
            kind,
            filter=wanted.flat(),
            options=options | ({"until": moment.isoformat()} if moment else {}),
            actor=str(actor),
            reason=reason,
            total=count,
            total_exact=exact,
        )
    found = ledger.find(id)
    assert found is not None
    return found


def find(id: int) -> OperationRow | None:
    """Return an operation as it stands; None: there is none, or it was deleted after `audit_days`."""
    return ledger.find(id)


def listed(*, limit: int = 50, before: int | None = None) -> list[OperationRow]:
    """Return operations, newest first; with `before` those asked for before the one of this id."""
    return ledger.listed(limit=limit, before=before)


def stop(id: int, *, actor: str) -> bool:
    """Let an operation move no more jobs; what it has moved stays moved. False: it was over.

    Raises:
        OperationRefused: there is no such operation.
    """
    if ledger.find(id) is None:
        raise OperationRefused(
            f"There is no operation {id}: `manage.py holdfast operations list` shows those there are."
        )
    return ledger.stop(id, actor=str(actor))


def run(app: Celery | None = None) -> int:
    """Work off in this process what was asked for, until there is nothing left to do now; return how many slices.

    Beside a worker that does the same each slice is done once.
    """
    app = app or current_app
    look, count, waiting = partial(examination_of, app), 0, list[int]()
    while (worked := slices.work(look, but=waiting)) is not None:
        count += 1
        if tickets := to_publish(worked.tickets):
            app.outbox.publish(tickets)
        if worked.stopped:
            app.control.tell_workers(worked.stopped)
        if worked.waits:
            waiting.append(worked.operation)
    return count


def is_worked() -> bool:
    """Tell whether a worker lives that works off what is asked for."""
    return bool(live_workers())


def words(filter: Mapping[str, Any]) -> str:
    """Return the filter of an operation in words; of one that this release cannot read, what is written there."""
    try:
        return texts.write(JobFilter.of(filter))
    except SelectionRefused:
        return str(dict(filter))


def _matching(filter: Mapping[str, Any] | str) -> JobFilter:
    return texts.read(filter) if isinstance(filter, str) else JobFilter.of(filter)


def _is_everything(wanted: JobFilter) -> bool:
    """Tell whether a filter leaves out no job, or none but by its state."""
    return all(pair.key == "state" for pair in wanted.pairs())


def _shown(rows: list[JobRow]) -> list[JobRow]:
    rules = said.of_jobs(current_app, {row.id: row.task for row in rows if row.error})
    return [
        replace(row, error=rules[row.id].clean(row.error)) if row.error else row for row in rows
    ]


def _count(
    kind: str, wanted: JobFilter, options: Mapping[str, Any], until: datetime | None
) -> tuple[int, bool, datetime | None]:
    """Return how many jobs are meant, whether that is exact, and of a purge the moment that it is about."""
    if kind == ledger.PURGE:
        if until is not None and until.tzinfo is None:
            raise OperationRefused(f"until={until} has no time zone: give an aware datetime.")
        # Nobody means what is still to come.
        moment = None if until is None else min(until, dialect().now())
        found = purging.waiting(wanted.queue, until=moment)
        total = found.total + (found.later if options["later"] else 0)
        return total, not found.more, found.until
    states = ledger.states_for(kind, options, frozenset(wanted.states))
    if kind in OF_BATCHES:
        return *batch_reads.members_in(wanted.batch, states), None
    examination = examination_of(current_app, wanted)
    return *matches.count(wanted, states, examination=examination), None


def _refuse_other_words(kind: str, wanted: JobFilter) -> None:
    """Refuse a filter that asks for more, or for less, than a kind is about."""
    alone = "batch" if kind in OF_BATCHES else "queue" if kind == ledger.PURGE else None
    if alone is None:
        return
    if [pair.key for pair in wanted.pairs()] != [alone]:
        other = "replay" if kind == ledger.REPLAY_BATCH else "cancel"
        raise OperationRefused(
            f"{kind} is about one {alone} and takes its name alone: {alone}:NAME. For any other filter take {other}."
        )
    if kind in OF_BATCHES and batches.get(wanted.batch) is None:
        raise OperationRefused(
            f"There is no batch {wanted.batch}: it was never recorded, or deleted after its retention."
        )


def _options(
    kind: str, *, queue: str | None, priority: int | None, running: str, later: bool
) -> dict[str, Any]:
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"take {', '.join(KINDS)}."
        raise OperationRefused(f"There is no operation {kind!r}: {hint}")
    if kind in {ledger.CANCEL, ledger.CANCEL_BATCH}:
        if running not in RUNNING_JOBS:
            raise OperationRefused(
                f"running={running!r}: what becomes of jobs that run is one of {', '.join(RUNNING_JOBS)}."
            )
        return {"running": running}
    if kind == ledger.PURGE:
        return {"later": bool(later)}
    given = {ledger.QUEUE: queue, ledger.PRIORITY: priority}.get(kind)
    if kind not in {ledger.QUEUE, ledger.PRIORITY}:
        return {}
    try:
        refuse(
            queue=queue if kind == ledger.QUEUE else None,
            priority=priority if kind == ledger.PRIORITY else None,
        )
    except ValueError as error:
        raise OperationRefused(f"{kind}: {error}") from None
    return {kind: given}
