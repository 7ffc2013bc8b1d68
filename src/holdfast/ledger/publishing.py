"""The moves between what is held and what is on the broker; each is one transaction that may die at any line.

What is published and never reaches the broker is found missing by the reconciler, and published again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models.functions import Now

from holdfast.ledger import clocks
from holdfast.ledger.database import atomic, connection, dialect
from holdfast.ledger.fence import RISE, job_rows, lock
from holdfast.ledger.models import Job
from holdfast.ledger.records import Ticket
from holdfast.ledger.states import Hold as HoldReason
from holdfast.ledger.states import State


def publish_due(*, limit: int) -> list[Ticket]:
    """Turn held jobs whose time has come into queued ones; the caller puts them on the broker, or recalls them."""
    return dialect().publish_due(limit)


def end_long_waits(*, limit: int) -> int:
    """Let held jobs wait no longer than they were to wait: the clock was set back. Return how many, of so many at most.

    Those that wait for a moment somebody named go on waiting for it. Reads what is held for later, all of it: it is
    asked once each time the clock was set.
    """
    vendor = connection().vendor
    ahead = clocks.being_ahead(vendor, "due_at", "wait_seconds")
    long = job_rows().filter(ahead, state=State.HELD, due_at__isnull=False)
    # A look takes no lock.
    ids = list(long.order_by("due_at").values_list("id", flat=True)[:limit])
    if not ids:
        return 0
    with atomic():
        free = list(lock(long.filter(id__in=ids), wait=False).values_list("id", flat=True))
        due = clocks.in_so_long(vendor, "wait_seconds")
        return job_rows().filter(id__in=free).update(due_at=due)


def recall(tickets: Iterable[Ticket], *, delay: timedelta = timedelta()) -> int:
    """Take back jobs that could not be put on the broker: the relay publishes them after `delay`.

    One that somebody's transaction holds is left as it is: the reconciler finds that the broker does not show it.
    """
    tokens = {ticket.id: ticket.token for ticket in tickets}
    with atomic():
        rows = lock(Job.objects.filter(id__in=tokens, state=State.QUEUED), wait=False)
        mine = [id for id, token in rows.values_list("id", "token") if tokens[id] == token]
        return (
            job_rows()
            .filter(id__in=mine)
            .update(
                state=State.HELD,
                token=RISE,
                hold=HoldReason.RELAY,
                due_at=Now() + delay,
                wait_seconds=delay.total_seconds(),
                published_at=None,
            )
        )


def republish(tickets: Iterable[Ticket]) -> list[Ticket]:
    """Give queued jobs that the broker has lost a new token; return what must be published in their place.

    One that somebody's transaction holds is left for the next look: no loop waits for a transaction of the project.
    """
    wanted = {ticket.id: ticket for ticket in tickets}
    again = dialect().republish(list(wanted.values())) if wanted else set()
    return [
        ticket._replace(token=ticket.token + 1) for ticket in wanted.values() if ticket.id in again
    ]
