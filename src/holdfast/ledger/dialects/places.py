"""Where new jobs stand at their limits, as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import NewJob
from holdfast.ledger.states import Hold


class PlaceRow(NamedTuple):
    """A job at one of its limits, unless it is queued: then it is let in at all of them."""

    job: str
    limit: str
    key: str
    weight: int
    rank: int
    place: int


def places_of(jobs: Iterable[NewJob]) -> list[PlaceRow]:
    """Return a row for each limit of each job; those that are to wait do so at their first."""
    return [
        PlaceRow(
            job.id,
            *use,
            -job.priority,
            Place.AWAY if number or job.hold != Hold.LIMIT else Place.WAITING,
        )
        for job in jobs
        for number, use in enumerate(job.limits)
    ]
