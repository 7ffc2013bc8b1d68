"""The orders in which found jobs are gone through, from both ends, and places in them that a cursor names.

By record is by id: those of ours begin with the millisecond they were made in. An id that came from elsewhere stands
where it sorts. By end is by the moment of it, then by id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Collate, Concat

from holdfast.ledger.database import connection
from holdfast.ledger.models import Job


class Sort(Enum):
    """Which found job comes first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LAST_FINISHED = "last_finished"
    FIRST_FINISHED = "first_finished"

    @property
    def by_finish(self) -> bool:
        """Whether it goes by the ends of jobs: only finished ones have a place in it."""
        return self in {Sort.LAST_FINISHED, Sort.FIRST_FINISHED}


class Place(NamedTuple):
    """How far somebody has come: the last job that was looked at."""

    id: str
    # SQLite compares times as texts, and a text that went through Python may have got more digits.
    finished_at: datetime | str | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """One order in one direction, for statements of Django's.

    Attributes:
        by_finish: by the ends of jobs and not by their records.
        down: from what is new to what is old.
        by_key: the primary key may serve the order; or the rows are few, and it must not: it would read history.
    """

    by_finish: bool
    down: bool
    by_key: bool = True

    @classmethod
    def of(cls, sort: Sort, *, backwards: bool = False) -> Way:
        """Return the way of a sort, or its way back."""
        return cls(sort.by_finish, (sort in {Sort.NEWEST, Sort.LAST_FINISHED}) is not backwards)

    def among_few(self) -> Way:
        """Return the same way for rows that have been found already."""
        return replace(self, by_key=False)

    def places(self, rows: QuerySet[Job]) -> QuerySet[Job, Any]:
        """Return the places of rows in this order, as (id, end)."""
        keyed, names = self._keyed(rows)
        keyed = keyed.order_by(*(f"-{name}" if self.down else name for name in names))
        # The stubs know the columns of the table alone.
        columns: Any = ("id", "place_at") if self.by_finish else ("id",)
        return keyed.values_list(*columns)

    def after(self, rows: QuerySet[Job], place: Place | None) -> QuerySet[Job]:
        """Leave out what comes before a place, and the place itself."""
        if place is None:
            return rows
        keyed, names = self._keyed(rows)
        past, at = ("lt" if self.down else "gt"), names[0]
        if not self.by_finish:
            return keyed.filter(**{f"{at}__{past}": place.id})
        there = self._there(place)
        behind = Q(**{at: there, f"{names[1]}__{past}": place.id}) | Q(**{f"{at}__{past}": there})
        # An index serves the range, and not the alternative.
        return keyed.filter(behind, **{f"{at}__{past}e": there})

    def up_to(self, rows: QuerySet[Job], place: Place | None) -> QuerySet[Job]:
        """Leave out what comes behind a place."""
        if place is None:
            return rows
        keyed, names = self._keyed(rows)
        before, at = ("gt" if self.down else "lt"), names[0]
        if not self.by_finish:
            return keyed.filter(**{f"{at}__{before}e": place.id})
        there = self._there(place)
        not_behind = Q(**{at: there, f"{names[1]}__{before}e": place.id}) | Q(
            **{f"{at}__{before}": there}
        )
        return keyed.filter(not_behind, **{f"{at}__{before}e": there})

    def in_order(self, places: list[Place]) -> list[Place]:
        """Sort places by their ends; those by record come sorted, by the database."""
        if not self.by_finish:
            return places
        return sorted(places, key=lambda place: (place.finished_at, place.id), reverse=self.down)

    def nearest(self, places: list[Place]) -> Place | None:
        """Return the place that comes first on this way."""
        ordered = self.in_order(places)
        return ordered[0] if ordered else None

    def _keyed(self, rows: QuerySet[Job]) -> tuple[QuerySet[Job], tuple[str, ...]]:
        """Give rows the columns they are ordered by, and return the names of these."""
        is_text = connection().vendor == "sqlite"
        if not self.by_finish:
            if self.by_key:
                return rows, ("id",)
            return rows.annotate(place_id=Concat(F("id"), Value(""))), ("place_id",)
        if "place_at" in rows.query.annotations:
            return rows, ("finished_at", "place_id")
        # Letter by letter everywhere, as Python sorts them: what several indexes give is put together here.
        return rows.annotate(
            place_at=Cast("finished_at", TextField()) if is_text else F("finished_at"),
            place_id=F("id") if is_text else Collate(F("id"), "C"),
        ), ("finished_at", "place_id")

    def _there(self, place: Place) -> Any:
        if isinstance(place.finished_at, str):
            return Value(place.finished_at, output_field=TextField())
        return place.finished_at
