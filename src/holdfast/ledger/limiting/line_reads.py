"""What people ask of lines: who is in, who waits and behind whom. Every answer is bounded, however long a line is."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Q, Sum

from holdfast.ledger.database import atomic, dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.limiting.limits import UNDER_WAY, limited_rows
from holdfast.ledger.limiting.lines import locked_rooms
from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import Use

MOST_COUNTED = 10_000
MOST_SHOWN = 20


class Standing(NamedTuple):
    """Where a job waits, and how many are before it in the line of its key."""

    use: Use
    ahead: int


def is_job(job: str) -> bool:
    """Tell whether there is a row of this id."""
    return job_rows().filter(id=job).exists()


def place_of(job: str) -> Standing | None:
    """Return where a job waits; None if it waits nowhere."""
    row = limited_rows().filter(job=job, place=Place.WAITING).first()
    if row is None:
        return None
    line = limited_rows().filter(name=row.name, key=row.key, place=Place.WAITING)
    before = line.filter(Q(rank__lt=row.rank) | Q(rank=row.rank, id__lt=row.pk)).order_by(
        "rank", "id"
    )
    return Standing(
        Use(row.name, row.key, row.weight), len(before.values_list("id")[:MOST_COUNTED])
    )


def holders(use: Use, *, of_key: bool) -> tuple[str, ...]:
    """Return jobs that are let in at a limit and under way."""
    rows = limited_rows().filter(name=use.limit, place=Place.ADMITTED)
    if of_key:
        rows = rows.filter(key=use.key)
    going = job_rows().filter(id__in=rows.values("job"), state__in=UNDER_WAY)
    return tuple(going.values_list("id", flat=True)[:MOST_SHOWN])


def counts(name: str) -> tuple[int, int]:
    """Return (weights that are taken, jobs that wait) of a limit."""
    admitted = limited_rows().filter(name=name, place=Place.ADMITTED)
    going = admitted.filter(
        job__in=job_rows().filter(id__in=admitted.values("job"), state__in=UNDER_WAY).values("id")
    )
    waiting = limited_rows().filter(name=name, place=Place.WAITING).order_by("key", "rank", "id")
    return going.aggregate(n=Sum("weight"))["n"] or 0, len(waiting.values_list("id")[:MOST_COUNTED])


def is_out_of_tokens(name: str) -> bool:
    """Tell whether the rate of a limit lets nobody in at this moment."""
    with atomic():
        room = locked_rooms([name], exactly=True).get(name)
        if room is None or room.bounds.rate is None:
            return False
        room.refill(dialect().now())
        return room.tokens < 1
