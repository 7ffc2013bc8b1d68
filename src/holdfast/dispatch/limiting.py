"""How limited jobs are let in by the process that sends them: with their record if that is sure, or after its commit.

What if it dies here? Before the commit: nothing was recorded. After it: the jobs are queued, and published like any
other; or they wait at their limits, and the relay admits them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from holdfast.interruptions import let_out_interruption
from holdfast.ledger import transitions
from holdfast.ledger.connections.aside import has_transaction, in_event_loop, in_thread
from holdfast.ledger.database import (
    alias,
    atomic,
    commits_by_itself,
    connection,
    dialect,
    is_passing,
)
from holdfast.ledger.limiting import admission, limits, lines, looks
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.records import NewJob, Ticket
from holdfast.ledger.states import Hold
from holdfast.policies.limits import bounds_of

logger = logging.getLogger("holdfast.dispatch")
# What this process has seen in the ledger, by database.
_declared: set[tuple[str, str]] = set()
# Limits that had no room when this process last looked: it looks for room once its next job is in the line.
_full: set[str] = set()
# A producer lets in what it brings and a little more; a long line is for the workers.
MOST = 50
# Jobs that one statement may let in, and how often it is tried where others let theirs in meanwhile.
AT_ONCE = 1000
TRIES = 2


def prepare(jobs: Iterable[NewJob]) -> None:
    """Let limited jobs be recorded as waiting, and see to it that the ledger knows their limits."""
    names = set()
    for job in jobs:
        if job.limits:
            names |= {use.limit for use in job.limits}
            if job.due_at is None and not job.delay_seconds:
                job.hold = job.hold or Hold.LIMIT
    new = {name for name in names if (alias(), name) not in _declared}
    if new:
        _declare({name: bounds_of(name) or Bounds() for name in new})


def record(jobs: Sequence[NewJob]) -> list[Ticket]:
    """Record jobs, and let the limited ones in at once where that is sure; return what must be published.

    In a transaction the rows of limits are not touched: it may be long, and producers never wait for each other.
    """
    waiting = [job for job in jobs if job.hold == Hold.LIMIT]
    names = {use.limit for job in waiting for use in job.limits}
    if not waiting or names & _full or not commits_by_itself() or _asks_for_keys(jobs):
        return transitions.record(jobs)
    with _one_writer():
        entry = looks.look(waiting, stated=_stated(names), lined_up=False).entry
        if not entry:
            _full.update(names)
        return transitions.record(jobs, entry=entry)


def admit(jobs: Sequence[NewJob]) -> list[Ticket]:
    """Let in what was just recorded and committed, as far as it fits; return what must be published.

    A database that does not answer is no error: the relay will admit them.
    """
    tickets: list[Ticket] = []
    by_limit: dict[str, list[NewJob]] = {}
    for job in jobs:
        if job.hold == Hold.LIMIT:
            by_limit.setdefault(job.limits[0].limit, []).append(job)
    try:
        for name, line in by_limit.items():
            tickets += _admit(name, line)
    except Exception as error:
        let_out_interruption(error)
        if not is_passing(error):
            raise
        logger.warning("Jobs were recorded and wait; the relay will admit them (%s)", error)
    return tickets


def _admit(name: str, line: Sequence[NewJob]) -> list[Ticket]:
    """Let in those who wait at one limit first: without a lock if they are all who wait, and all fit."""
    tickets: list[Ticket] = []
    if len(line) <= AT_ONCE and all(_is_itself(job) for job in line):
        names = {use.limit for job in line for use in job.limits}
        for _ in range(TRIES):
            with _one_writer():
                seen = looks.look(line, stated=_stated(names), lined_up=True)
                if seen.entry:
                    tickets = dialect().let_in([job.id for job in line], entry=seen.entry)
            if seen.nobody_fits and not seen.skips and len(names) == 1:
                # Who is in asks for us when he ends: that is after this look, and we were committed before it.
                return []
            if tickets or not seen.entry:
                break
        if tickets:
            _full.difference_update(names)
        if len(tickets) == len(line):
            return tickets
    bounds = bounds_of(name)
    by_key = bounds is not None and bounds.per_key is not None
    uses = [job.limits[0] for job in line]
    if lines.older_waits(uses[0], job=line[0].id, by_key=by_key):
        # It cannot go on either, or somebody is about to admit it: they look for us after their commit.
        return tickets
    most, keys = max(MOST, len(line)), {use.key for use in uses}
    rest = admission.admit(name, stated=bounds_of, keys=keys, most=most, exactly=False)
    return tickets + rest.tickets


def _asks_for_keys(jobs: Sequence[NewJob]) -> bool:
    """Tell whether it takes more than one statement to say which of the jobs are to be."""
    alone = len(jobs) == 1 and connection().vendor == "postgresql"
    return not alone and any(job.unique for job in jobs)


def _is_itself(job: NewJob) -> bool:
    """Tell whether a call was recorded under its own id, and no other job stands for it."""
    return job.unique is None or job.unique.job == job.id


def _stated(names: Iterable[str]) -> list[Bounds]:
    return [bounds for name in names if (bounds := bounds_of(name)) is not None]


def _one_writer() -> AbstractContextManager[Any]:
    """On SQLite let what is read hold until it is written."""
    return atomic() if connection().vendor == "sqlite" else nullcontext()


def _declare(bounds: dict[str, Bounds]) -> None:
    names = {(alias(), name) for name in bounds}

    def write() -> None:
        limits.declare(bounds, overwrite=False)

    if not has_transaction() and not in_event_loop():
        write()
    elif connection().vendor == "sqlite":
        # The one writer is ours already. If it rolls back, the next call writes again.
        write()
        return
    else:
        # Not in the caller's transaction: another one that states the same limit would wait for its end.
        in_thread(write)
    _declared.update(names)
