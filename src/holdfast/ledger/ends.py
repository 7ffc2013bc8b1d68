"""Ends of attempts that have succeeded, written many at once; by a worker's main process for those that ran them.

What if it dies here? Before the commit all these rows are running still, and the lease gives their jobs to others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from functools import partial

from django.db import OperationalError

from holdfast.ledger import chords
from holdfast.ledger.database import atomic, dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.records import End
from holdfast.ledger.states import State


class _ChordsComplete(Exception):
    """Ends would complete chords, whose bodies are sent with the end of their last member: undo the transaction."""

    def __init__(self, groups: set[str]) -> None:
        super().__init__(groups)
        self.groups = groups


def succeed_many(ends: Sequence[End]) -> tuple[set[str], list[End], list[End]]:
    """End attempts of one worker in success, with one commit; what was asked before may be asked again.

    Returns the jobs whose success by this attempt is in, the ends that must wait for a transaction of somebody's, which
    holds their rows, and those that must be written by themselves, with the body of the chord that they complete. All
    other jobs have moved on: nothing is written for them.
    """
    rest, last = list(ends), list[End]()
    counts = Counter(end.part.group for end in ends if end.part is not None)
    if counts:
        near = {group for group, n in chords.missing(counts).items() if n <= counts[group]}
        rest, last = _without(near, rest, most=1)
    # What others have counted meanwhile may complete one all the same.
    for most in (1, len(ends)):
        try:
            return (*_succeed(rest), last)
        except _ChordsComplete as complete:
            rest, out = _without(complete.groups, rest, most=most)
            last += out
    return (*_succeed(rest), last)


def _without(
    groups: Collection[str], ends: Sequence[End], *, most: int
) -> tuple[list[End], list[End]]:
    """Take so many members of each of these chords out, from the end; return what is left, and these."""
    taken: Counter[str] = Counter()
    left, out = list[End](), list[End]()
    for end in reversed(ends):
        if end.part is not None and end.part.group in groups and taken[end.part.group] < most:
            taken[end.part.group] += 1
            out.append(end)
        else:
            left.append(end)
    return left[::-1], out[::-1]


def _succeed(ends: Sequence[End]) -> tuple[set[str], list[End]]:
    if not ends:
        return set(), []
    write = partial(_write, ends)
    met_a_lock = False
    try:
        written = write()
    except OperationalError as error:
        if not dialect().met_a_lock(error):
            raise
        met_a_lock = True
        try:
            written = write(skip_locked=True)
        except OperationalError as another:
            members = [end for end in ends if end.part is not None]
            if not dialect().met_a_lock(another) or not members:
                raise
            # It is the row of a chord: its members wait, nobody else does.
            written, waiting = _succeed([end for end in ends if end.part is None])
            return written, waiting + members
    missed = [end for end in ends if end.hold.id not in written]
    if not missed:
        return written, []
    columns = job_rows().filter(id__in=[end.hold.id for end in missed])
    found = {row[0]: row[1:] for row in columns.values_list("id", "state", "token", "worker")}
    waiting = []
    for end in missed:
        hold = end.hold
        # The answer to an earlier commit was lost on its way.
        if found.get(hold.id) == (State.SUCCEEDED, hold.token + 1, hold.worker):
            written.add(hold.id)
        elif met_a_lock and found.get(hold.id) == (State.RUNNING, hold.token, hold.worker):
            waiting.append(end)
    return written, waiting


def _write(ends: Sequence[End], *, skip_locked: bool = False) -> set[str]:
    """Write ends with their parts of chords.

    Raises:
        _ChordsComplete: some of them complete one; nothing is written.
    """
    members = [end for end in ends if end.part is not None]
    with atomic() if members else nullcontext():
        written = dialect().succeed_many(ends, worker=ends[0].hold.worker, skip_locked=skip_locked)
        parts = {end.hold.id: end.part for end in members if end.part and end.hold.id in written}
        complete = chords.return_parts(parts) if parts else None
        if complete:
            raise _ChordsComplete(complete)
        return written
