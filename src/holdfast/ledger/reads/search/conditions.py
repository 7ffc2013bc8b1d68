"""What a filter asks of a job's row, as conditions that no index is tempted by.

Where rows are read by an order, as many as a slice has, the conditions only choose among them. An index that the
planner took for them instead would be read from one end to the other; so they stand on expressions.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Substr
from django.db.models.lookups import Exact

from holdfast.ledger.database import alias
from holdfast.ledger.models import Attempt, Job, Worker
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.states import Reason, State

# Starts of workers of one name that are looked at: those that began last.
MOST_STARTS = 500


def fitting(rows: QuerySet[Job], wanted: JobFilter, *, now: datetime) -> QuerySet[Job]:
    """Keep the rows that fit a filter, but for what jobs were called with.

    One statement more if it names a worker.
    """
    if wanted.states:
        rows = rows.annotate(place=F("state") + 0).filter(place__in=sorted(wanted.states))
    return rows.filter(asked_of_columns(wanted, now=now), *_errors(wanted))


def asks_columns(wanted: JobFilter) -> bool:
    """Tell whether anything is asked of the rows of jobs beside their states."""
    left = [pair.key for pair in wanted.pairs() if pair.key not in {"state", "correlation"}]
    return any(key.partition(".")[0] not in {"args", "kwargs"} for key in left)


def has_no_statistics(wanted: JobFilter) -> bool:
    """Tell whether a filter asks for something that the database keeps no statistics of."""
    return bool(wanted.error or wanted.ids or wanted.worker or wanted.looks_into_bodies)


def asked_of_columns(wanted: JobFilter, *, now: datetime) -> Q:
    """Return what a filter asks of a job's own row, but for its state."""
    asked = _columns(wanted, now)
    for one in _ids(wanted):
        asked &= one
    return asked


def _columns(wanted: JobFilter, now: datetime) -> Q:
    asked = Q()
    exact = {
        "queue": wanted.queue,
        "hold": wanted.hold,
        "fingerprint": wanted.fingerprint,
        "batch_id": wanted.batch,
        "group_id": wanted.group,
    }
    for name, value in exact.items():
        if value:
            asked &= Q(**{name: value})
    times = {
        "recorded_at__gte": wanted.since,
        "recorded_at__lte": wanted.until,
        "finished_at__gte": wanted.finished_since,
        "finished_at__lte": wanted.finished_until,
    }
    for name, moment in times.items():
        if moment is not None:
            asked &= Q(**{name: moment.at(now)})
    if wanted.task:
        asked &= _like("task", wanted.task)
    if wanted.worker:
        asked &= Q(worker__in=_starts(wanted.worker))
    if wanted.root:
        asked &= Q(root_id=wanted.root) | Q(id=wanted.root)
    if wanted.reason:
        asked &= _reason(wanted.reason)
    return asked


def _errors(wanted: JobFilter) -> list[Any]:
    if not wanted.error:
        return []
    last = Attempt.objects.using(alias()).filter(job=OuterRef("id"), number=OuterRef("attempts"))
    return [Exists(last.filter(error__icontains=wanted.error))]


def _ids(wanted: JobFilter) -> list[Q]:
    if not wanted.ids:
        return []
    asked = Q(id__in=[id for id in wanted.ids if not id.endswith("*")])
    for beginning in wanted.ids:
        if beginning.endswith("*"):
            asked |= _like("id", beginning)
    return [asked]


def _like(column: str, pattern: str) -> Q:
    """Return that a column is a text, or begins as one with a * behind it: letter by letter on every database."""
    if not pattern.endswith("*"):
        return Q(**{column: pattern})
    beginning = pattern[:-1]
    if not beginning:
        return Q()
    return Q(Exact(Substr(F(column), 1, len(beginning)), Value(beginning)))


def _starts(name: str) -> list[UUID]:
    """Return the incarnations of a worker, by its name or by the id of one of them."""
    rows = Worker.objects.using(alias())
    try:
        return [UUID(name)]
    except ValueError:
        rows = rows.filter(_like("name", name))
        return list(rows.order_by("-started_at").values_list("id", flat=True)[:MOST_STARTS])


def _reason(reason: str) -> Q:
    asked = Q(reason=reason)
    if reason == Reason.ERROR:
        # Failures of a release that did not say why.
        asked |= Q(reason="", state=State.FAILED)
    return asked
