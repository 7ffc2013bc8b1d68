"""Going through jobs for those that fit: slice by slice, for as long as somebody may be kept waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models import QuerySet

from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Job
from holdfast.ledger.reads.search.bodies import Examination, Unread, examine
from holdfast.ledger.reads.search.parts import FEW
from holdfast.ledger.reads.search.plans import Plan
from holdfast.ledger.reads.search.ways import Place, Way

# Rows of the first slice, of the longest one, and how long one should take: the budget is looked at between slices.
FIRST_ROWS, MOST_ROWS, SLICE_SECONDS = 1_000, 20_000, 0.03
# Where bodies have to be looked at.
FIRST_BODIES, MOST_BODIES, CHUNK = 500, 2_000, 500


@dataclass(slots=True)
class Found:
    """What a walk has come to.

    Attributes:
        ids: the jobs that fit, in the order of the walk.
        more: where to go on; None if nothing is left.
        ran_out: it ended because its time was over, and not because it had enough.
        unread: jobs whose arguments could not be looked at.
    """

    ids: list[str] = field(default_factory=list)
    more: Place | None = None
    ran_out: bool = False
    unread: Unread = field(default_factory=Unread)


def walk(
    plan: Plan,
    way: Way,
    *,
    place: Place | None,
    want: int,
    examination: Examination | None,
    budget_seconds: float,
) -> Found:
    """Go on from a place until `want` jobs fit or the time is over.

    Whatever asks for what jobs were called with needs an examination: without one it would be left out of account.

    A statement reads 20,000 rows of one index at most, of several as many of each; bodies are read 500 at a time.
    """
    if plan.wanted.looks_into_bodies and examination is None:
        raise ValueError("This filter asks for what jobs were called with: say how to look.")
    found, places = Found(), list[Place]()
    pace = _Pace(budget_seconds, bodies=examination is not None)
    while True:
        most = None if examination else want + 1 - len(places)
        step = _step(plan, way, place=place, rows=pace.rows, most=most)
        for chunk in _chunks(step.places, examination):
            fits = examine([at.id for at in chunk], examination, found.unread)
            places += [at for at in chunk if at.id in fits]
            if len(places) > want:
                found.ids, found.more = [at.id for at in places[:want]], places[want - 1]
                return found
            if pace.is_over and chunk[-1] is not step.places[-1]:
                return _out_of_time(found, places, chunk[-1])
        if step.reached is None:
            found.ids = [at.id for at in places]
            return found
        place = step.reached
        if pace.is_over:
            return _out_of_time(found, places, place)
        pace.note_slice()


@dataclass(slots=True)
class _Step:
    places: list[Place]
    reached: Place | None
    """The last row that was looked at; None if there are no more."""


class _Pace:
    """How many rows a slice may have, by how long the last one took."""

    def __init__(self, seconds: float, *, bodies: bool) -> None:
        self.rows, self._most = (FIRST_BODIES, MOST_BODIES) if bodies else (FIRST_ROWS, MOST_ROWS)
        self._began = time.monotonic()
        self._until = self._began + seconds
        self._last = 0.0

    @property
    def is_over(self) -> bool:
        """Whether another slice like the last one would take too long."""
        return time.monotonic() + self._last >= self._until

    def note_slice(self) -> None:
        now = time.monotonic()
        self._last = now - self._began
        fitting = self.rows * SLICE_SECONDS / max(now - self._began, 0.001)
        self.rows = int(min(max(fitting, self.rows / 4, 100), self.rows * 4, self._most))
        self._began = now


def _out_of_time(found: Found, places: list[Place], reached: Place) -> Found:
    found.ids, found.more, found.ran_out = [at.id for at in places], reached, True
    return found


def _chunks(places: list[Place], examination: Examination | None) -> Iterator[list[Place]]:
    size = CHUNK if examination else max(len(places), 1)
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _step(plan: Plan, way: Way, *, place: Place | None, rows: int, most: int | None) -> _Step:
    if plan.few:
        return _among_few(plan, way.among_few(), place=place, most=most or 2 * FEW)
    if plan.whole:
        # Every row fits: those that come first are all that is read.
        take = min(most or rows, rows)
        places = _first(plan.sources, way, place=place, most=take)
        return _Step(places[:take], places[take - 1] if len(places) >= take else None)
    edges = [_edge(source, way, place=place, rows=rows) for source in plan.sources]
    reached = way.nearest([edge for edge in edges if edge is not None])
    within = [way.up_to(plan.fitting(source), reached) for source in plan.sources]
    return _Step(_first(within, way, place=place, most=most or 2 * rows), reached)


def _among_few(plan: Plan, way: Way, *, place: Place | None, most: int) -> _Step:
    fitting = [plan.fitting(source) for source in plan.sources]
    places = _first(fitting, way, place=place, most=most)
    if len(plan.sources) > 1 and not way.by_finish:
        # The database's order of texts is not Python's.
        both = job_rows().filter(id__in=[at.id for at in places])
        places = _read(way.places(both))
    return _Step(list(dict.fromkeys(places)), None)


def _first(
    sources: list[QuerySet[Job]], way: Way, *, place: Place | None, most: int
) -> list[Place]:
    """Return the first places of several sources behind a place, up to `most` of each, in order by end."""
    found = [at for source in sources for at in _read(way.places(way.after(source, place))[:most])]
    return way.in_order(found) if len(sources) > 1 else found


def _edge(source: QuerySet[Job], way: Way, *, place: Place | None, rows: int) -> Place | None:
    """Return where the next so many rows of a source end; None if it has not as many."""
    found = _read(way.places(way.after(source, place))[rows - 1 : rows])
    return found[0] if found else None


def _read(places: QuerySet[Job, tuple[object, ...]]) -> list[Place]:
    return [Place(*row) for row in places]  # type: ignore[arg-type]  # as `Way.places` reads them
