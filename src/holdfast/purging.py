"""Cancelling all that waits in a queue: counted first, then exactly that, a thousand in a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from holdfast.ledger import purging as ledger
from holdfast.ledger.database import dialect
from holdfast.ledger.purging import MOST, Waiting

__all__ = ["MOST", "Purged", "Waiting", "purge", "waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What a purge has done."""

    cancelled: int
    busy: int
    """Jobs that a transaction of somebody's held: claimed at that moment, or part of a long transaction of yours."""
    left: int
    """Jobs that waited at the moment and still do, counted up to 10,000."""


def waiting(queue: str, *, until: datetime | None = None) -> Waiting:
    """Return how many jobs wait in a queue now; its `until` says for `purge` which they are.

    With a moment of before: how many of those that waited then still do.
    """
    return ledger.waiting(queue, until=until)


def purge(
    queue: str,
    *,
    until: datetime | None = None,
    later: bool = False,
    actor: str = "",
    reason: str = "",
    most: int = MOST,
) -> Purged:
    """Cancel what waits in a queue, for good; nothing that runs is touched.

    A thousand are cancelled in one transaction, with a line of the audit. If the process dies in the middle some are
    left: ask again with the same moment. A job that was published again since, for the broker had lost it, counts as
    one that came later. Of many, `operations.ask("purge", "queue:NAME", actor=...)` leaves it to the workers.

    Args:
        queue: its name.
        until: only what waited at that moment, by the database's clock; None is now.
        later: those too whose time is to come: with an ETA, a countdown, or a retry that waits.
        actor: who does it.
        reason: why, for the audit.
        most: how many at most in this call.
    """
    moment = until or dialect().now()
    cancelled, busy = ledger.purge(
        queue, until=moment, later=later, actor=actor, most=most, reason=reason
    )
    left = 0
    if busy or cancelled >= most:
        still = ledger.waiting(queue, until=moment)
        left = still.total + (still.later if later else 0)
    return Purged(cancelled=cancelled, busy=busy, left=left)
