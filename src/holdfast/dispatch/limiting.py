"""The admission that follows the commit of limited jobs; in every process that sends.

What if it dies here? Before the commit: nothing was recorded. After it: the jobs wait at their limits, and the relay
admits them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from holdfast.ledger.connections.aside import has_transaction, in_event_loop, in_thread
from holdfast.ledger.database import alias, connection, is_passing
from holdfast.ledger.limiting import admission, limits, lines
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.records import NewJob, Ticket, Use
from holdfast.ledger.states import Hold
from holdfast.policies.limits import bounds_of

logger = logging.getLogger("holdfast.dispatch")
# What this process has seen in the ledger, by database.
_declared: set[tuple[str, str]] = set()
# A producer lets in what it brings and a little more; a long line is for the workers.
MOST = 50


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


def admit(jobs: Sequence[NewJob]) -> list[Ticket]:
    """Let in what was just recorded and committed, as far as it fits; return what must be published.

    A database that does not answer is no error: the relay will admit them.
    """
    tickets: list[Ticket] = []
    by_limit: dict[str, list[tuple[NewJob, Use]]] = {}
    for job in jobs:
        if job.hold == Hold.LIMIT:
            by_limit.setdefault(job.limits[0].limit, []).append((job, job.limits[0]))
    try:
        for name, line in by_limit.items():
            bounds = bounds_of(name)
            by_key = bounds is not None and bounds.per_key is not None
            if lines.older_waits(line[0][1], job=line[0][0].id, by_key=by_key):
                # It cannot go on either, or somebody is about to admit it: they look for us after their commit.
                continue
            keys = {use.key for _, use in line}
            most = max(MOST, len(line))
            tickets += admission.admit(
                name, stated=bounds_of, keys=keys, most=most, exactly=False
            ).tickets
    except Exception as error:
        if not is_passing(error):
            raise
        logger.warning("Jobs were recorded and wait; the relay will admit them (%s)", error)
    return tickets


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
