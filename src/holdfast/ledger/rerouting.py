"""Waiting jobs that are to wait elsewhere: on another queue, or with another priority; asked for by people.

One transaction that may die at any line. What if it dies after the commit, before the new tickets are on the broker?
The jobs are queued there by the ledger, and the reconciler finds that the broker does not hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from holdfast.ledger import audit
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.fence import RISE, job_rows, lock
from holdfast.ledger.limiting.limits import limited_rows
from holdfast.ledger.models.pauses import Shelved
from holdfast.ledger.records import Ticket
from holdfast.ledger.states import Hold, State
from holdfast.tickets import Standby

LOWEST, HIGHEST = 0, 9


def reroute(
    tokens: Mapping[str, int],
    *,
    queue: str | None = None,
    priority: int | None = None,
    actor: str | None = None,
    detail: str = "",
) -> list[Ticket]:
    """Let waiting jobs wait on another queue or with another priority; return a ticket of each that was moved.

    Their tokens rise, so the tickets that lie on the broker do nothing any more. A queued job goes to the end of its
    new queue, and its ticket is for the caller to publish; a held one is published there when its time comes, and its
    ticket is a `Standby`. Left alone are jobs that have moved since their token was read, those that run or are over,
    those that wait for their replacement, and those that are there already.

    Args:
        tokens: the jobs, by id, with the token each was seen with.
        queue: the queue they are to wait on; None leaves it.
        priority: 0 to 9; None leaves it.
        actor: who does it: the audit gets one line, in the same transaction. Without, the caller writes it.
        detail: what the line says beside it.

    Raises:
        ValueError: neither is given, or there is no such queue name or priority.
    """
    refuse(queue=queue, priority=priority)
    asked = {"queue": queue, "priority": priority}
    changes = {name: value for name, value in asked.items() if value is not None}
    elsewhere = Q()
    for name, value in changes.items():
        elsewhere |= ~Q(**{name: value})
    waiting = job_rows().filter(
        elsewhere, id__in=list(tokens), state__in=[State.HELD, State.QUEUED]
    )
    with atomic():
        rows: list[dict[str, Any]] = [
            {**row}
            for row in lock(waiting.exclude(hold=Hold.REPLACED)).values(
                "id", "token", "state", "hold", "task", "queue", "priority", "limited"
            )
            if row["token"] == tokens[row["id"]]
        ]
        queued = [row["id"] for row in rows if row["state"] == State.QUEUED]
        held = [row["id"] for row in rows if row["state"] == State.HELD]
        job_rows().filter(id__in=held).update(token=RISE, **changes)
        job_rows().filter(id__in=queued).update(token=RISE, published_at=Now(), **changes)
        _move_along(rows, queue=queue, priority=priority)
        if rows and actor is not None:
            only = rows[0]["id"] if len(rows) == 1 else None
            audit.note("reroute", actor=actor, job=only, count=len(rows), detail=detail)
    return [_ticket(row | changes) for row in rows]


def refuse(*, queue: str | None = None, priority: int | None = None) -> None:
    """Refuse a place that no job can wait at.

    Raises:
        ValueError: as `reroute`.
    """
    if queue is None and priority is None:
        raise ValueError("Say queue=... or priority=..., or both.")
    if queue is not None and not 0 < len(queue) <= 255:
        raise ValueError(f"{queue!r} is no name of a queue: it has 1 to 255 characters.")
    if priority is not None and not LOWEST <= priority <= HIGHEST:
        raise ValueError(
            f"{priority} is no priority: it is {LOWEST} to {HIGHEST}, the highest first."
        )


def _move_along(rows: list[dict[str, Any]], *, queue: str | None, priority: int | None) -> None:
    """Bring what says where the jobs stand in line up to date; their rows are locked."""
    limited = [row["id"] for row in rows if row["limited"]]
    if limited and priority is not None:
        limited_rows().filter(job__in=limited).update(rank=-priority)
    shelved = [row["id"] for row in rows if row["hold"] == Hold.PAUSE]
    if shelved and queue is not None:
        # A pause of the old queue holds them no more, one of the new queue does.
        Shelved.objects.using(alias()).filter(job__in=shelved).update(queue=queue)


def _ticket(row: Mapping[str, Any]) -> Ticket:
    kind = Ticket if row["state"] == State.QUEUED else Standby
    return kind(row["id"], row["token"] + 1, row["task"], row["queue"], row["priority"])
