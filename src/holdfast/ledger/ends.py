"""Ends of attempts that have succeeded, written many at once; by a worker's main process for those that ran them.

What if it dies here? Before the commit all these rows are running still, and the lease gives their jobs to others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.db import OperationalError

from holdfast.ledger.database import dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.records import End
from holdfast.ledger.states import State


def succeed_many(ends: Sequence[End]) -> tuple[set[str], list[End]]:
    """End attempts of one worker in success, with one commit; what was asked before may be asked again.

    Returns the jobs whose success by this attempt is in, and the ends that must wait for a transaction of somebody's,
    which holds their rows. All other jobs have moved on: nothing is written for them.
    """
    write = partial(dialect().succeed_many, ends, worker=ends[0].hold.worker)
    met_a_lock = False
    try:
        written = write()
    except OperationalError as error:
        if not dialect().met_a_lock(error):
            raise
        met_a_lock = True
        written = write(skip_locked=True)
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
