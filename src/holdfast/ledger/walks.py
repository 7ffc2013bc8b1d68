"""The way an operation goes through the jobs it is about: each once, and no statement reads more than a window of rows.

A filter may match few of many million jobs. What was looked at without a match is behind the cursor all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast

from holdfast.ledger import operations
from holdfast.ledger.database import connection
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Job
from holdfast.ledger.reads.search.conditions import fitting
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.parts import DEAD
from holdfast.ledger.reads.search.plans import ends_of, named
from holdfast.ledger.states import DEAD_LETTERS, FINAL

# Jobs moved by one transaction, and rows read for them.
SLICE = 500
WINDOW = 5000
# The cursor behind the last job.
END = "end"


class Seen(NamedTuple):
    """A job as it was found."""

    id: str
    token: int
    state: int


class Walk:
    """The jobs of one operation: dead letters in the order of their ends, by their index; all others by their key.

    What a filter names by id, or as a batch, a group or a workflow, is walked by key between its first and last member.
    """

    def __init__(
        self, operation: int, wanted: JobFilter, states: frozenset[int], *, asked_at: datetime
    ) -> None:
        """Begin a walk; what the filter says relative to a clock is meant as of `asked_at`."""
        self._wanted = wanted
        self._by_end = states <= DEAD_LETTERS and not _has_members(wanted)
        # Compared where both were stamped: SQLite takes times for texts, and one that was read may have other digits.
        stamp = operations.rows().filter(id=operation).values("asked_at")
        # What arrives from then on is nobody's choice; it would not end, either.
        last = "finished_at__lte" if states <= FINAL else "recorded_at__lte"
        base = DEAD.rows() if self._by_end else job_rows()
        rows = fitting(base, replace(wanted, states=()), now=asked_at)
        # An expression, so that no index of another state is read from one end to the other: see the search.
        rows = rows.annotate(at_state=F("state") + 0).filter(at_state__in=sorted(states))
        self._rows = rows.filter(**{last: stamp})

    def among(self, ids: Iterable[str]) -> QuerySet[Job]:
        """Return those of some jobs that still match."""
        return self._rows.filter(id__in=list(ids))

    def next_page(self, cursor: str) -> tuple[list[Seen], str]:
        """Return the next jobs behind a cursor, and the cursor behind them; they may be none before the end is."""
        return self._next_by_end(cursor) if self._by_end else self._next_by_key(cursor)

    def _next_by_key(self, cursor: str) -> tuple[list[Seen], str]:
        after = json.loads(cursor) if cursor else ""
        if (few := named(self._wanted)) is not None:
            return self._next_of_few(few.sources, after)
        between = self._between()
        keys = job_rows().filter(between, id__gt=after).order_by("id").values_list("id", flat=True)
        last = keys[WINDOW - 1 : WINDOW].first()
        rows = self._rows.filter(between, id__gt=after)
        if last is not None:
            rows = rows.filter(id__lte=last)
        seen = [Seen(*row) for row in rows.order_by("id").values_list(*Seen._fields)[:SLICE]]
        if len(seen) == SLICE:
            return seen, json.dumps(seen[-1].id)
        return seen, END if last is None else json.dumps(last)

    def _between(self) -> Q:
        """Return between which keys all that match lie: of a large batch, group or workflow not the whole table."""
        ends = ends_of(self._wanted)
        return Q() if ends is None else Q(id__gte=ends[0], id__lte=ends[1])

    def _next_of_few(self, sources: Iterable[QuerySet[Job]], after: str) -> tuple[list[Seen], str]:
        """Go on among jobs that an index names, such as the members of a batch: 10,000 at most."""
        ids = {id for rows in sources for id in rows.order_by().values_list("id", flat=True)}
        behind = job_rows().filter(id__in=ids, id__gt=after).order_by("id")
        page = list(behind.values_list("id", flat=True)[:SLICE])
        rows = self.among(page).order_by("id").values_list(*Seen._fields)
        return [Seen(*row) for row in rows], json.dumps(page[-1]) if len(page) == SLICE else END

    def _next_by_end(self, cursor: str) -> tuple[list[Seen], str]:
        after = _read(cursor) if cursor else None
        letters = DEAD.rows().filter(finished_at__isnull=False)
        if self._wanted.fingerprint:
            letters = letters.filter(fingerprint=self._wanted.fingerprint)
        behind = _behind(letters, after)
        last = behind.values_list("ended", "id")[WINDOW - 1 : WINDOW].first()
        rows = _behind(self._rows, after)
        if last is not None:
            there = _moment(last[0])
            at_most = Q(finished_at=there, id__lte=last[1]) | Q(finished_at__lt=there)
            rows = rows.filter(at_most, finished_at__lte=there)
        found = list(rows.values_list(*Seen._fields, "ended")[:SLICE])
        seen = [Seen(*row[:-1]) for row in found]
        if len(seen) == SLICE:
            return seen, _written(found[-1][-1], seen[-1].id)
        return seen, END if last is None else _written(*last)


def _has_members(wanted: JobFilter) -> bool:
    """Tell whether a filter names jobs, or something whose members an index has: better than the ends of all."""
    return bool(wanted.ids or wanted.batch or wanted.group or wanted.root)


def _behind(rows: QuerySet[Job], after: tuple[Any, str] | None) -> Any:
    is_text = connection().vendor == "sqlite"
    place: Any = Cast("finished_at", TextField()) if is_text else F("finished_at")
    ordered = rows.annotate(ended=place).order_by("finished_at", "id")
    if after is None:
        return ordered
    there = _moment(after[0])
    # An index serves the range, and not the alternative.
    alternative = Q(finished_at=there, id__gt=after[1]) | Q(finished_at__gt=there)
    return ordered.filter(alternative, finished_at__gte=there)


def _moment(place: Any) -> Any:
    return Value(place, TextField()) if isinstance(place, str) else place


def _written(place: datetime | str, id: str) -> str:
    return json.dumps([place if isinstance(place, str) else place.isoformat(), id])


def _read(cursor: str) -> tuple[Any, str]:
    place, id = json.loads(cursor)
    return (place if connection().vendor == "sqlite" else datetime.fromisoformat(place)), id
