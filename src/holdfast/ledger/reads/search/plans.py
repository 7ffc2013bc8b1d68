"""Where jobs that fit a filter are looked for: in a set that an index gives and that is small, or along an order.

A set of at most 10,000 jobs is read whole and sorted. All else is gone through in the order that is asked for, in
slices of so many rows as there is time for: along the primary key by record, along the indexes of ends by end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from holdfast.exceptions import SelectionRefused
from holdfast.ledger.fence import job_rows
from holdfast.ledger.ids import bound_at
from holdfast.ledger.models import Job
from holdfast.ledger.reads.search.conditions import asks_columns, fitting
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.parts import (
    APART,
    DEAD,
    OVER,
    PARTS,
    QUEUED,
    SMALL,
    STOPPED,
    Part,
    are_few,
    covering,
)
from holdfast.ledger.reads.search.ways import Sort
from holdfast.ledger.states import DEAD_LETTERS, FINAL, State

# Ids are made by the clocks of those who call, and jobs are stamped by the database's: they may differ by so much.
SKEW = timedelta(minutes=15)
# Tasks with a retention of their own are read one by one where jobs go by their ends.
MOST_APART = 200
# As the index of roots says it.
_BELOW_A_ROOT = Q(root_id__isnull=False) & ~Q(root_id=F("id"))
# States of which every row of the sources below is in one.
_WHOLE = (FINAL, FINAL - DEAD_LETTERS, DEAD_LETTERS, STOPPED.states, DEAD_LETTERS | STOPPED.states)


@dataclass(slots=True)
class Plan:
    """Rows that a look goes through.

    Attributes:
        sources: every job that fits is in one of them; each is in the order of the look by an index, or few.
        few: they are sets to be read whole.
        whole: every job of theirs fits, what it was called with aside.
    """

    sources: list[QuerySet[Job]]
    few: bool
    whole: bool = False
    wanted: JobFilter = field(default_factory=JobFilter)
    now: datetime | None = None

    def fitting(self, rows: QuerySet[Job]) -> QuerySet[Job]:
        """Keep the rows of a source that fit the filter."""
        assert self.now is not None
        return rows if self.whole else fitting(rows, self.wanted, now=self.now)


def plan(wanted: JobFilter, sort: Sort, *, now: datetime) -> Plan:
    """Choose where to look; some short looks, and counts of at most 10,000 rows of an index."""
    found = named(wanted) or (
        _by_finish(wanted, now) if sort.by_finish else _by_record(wanted, now)
    )
    if sort.by_finish:
        found.sources = [rows.filter(finished_at__isnull=False) for rows in found.sources]
    found.wanted, found.now = wanted, now
    return found


def named(wanted: JobFilter) -> Plan | None:
    """Look at the jobs that are named: by id, or as members of something that is small."""
    if wanted.ids and not any(id.endswith("*") for id in wanted.ids):
        return Plan([job_rows().filter(id__in=wanted.ids)], few=True)
    sets = [members for members, _ in _memberships(wanted)]
    if (span := _span_of_ids(wanted.ids)) is not None:
        sets.append([job_rows().filter(id__gte=span[0], id__lte=span[1])])
    if wanted.fingerprint:
        sets.append([DEAD.rows().filter(fingerprint=wanted.fingerprint)])
    for members in sets:
        if all(are_few(rows) for rows in members):
            return Plan(members, few=True)
    return None


def _memberships(wanted: JobFilter) -> list[tuple[list[QuerySet[Job]], bool]]:
    """Return what the filter names that has members, and whether their index is by state before it is by id."""
    found = []
    if wanted.root:
        below = job_rows().filter(_BELOW_A_ROOT, root_id=wanted.root)
        found.append(([below, job_rows().filter(id=wanted.root)], False))
    if wanted.batch:
        found.append(([job_rows().filter(batch_id=wanted.batch)], True))
    if wanted.group:
        found.append(([job_rows().filter(group_id=wanted.group)], True))
    return found


def _by_record(wanted: JobFilter, now: datetime) -> Plan:
    states = wanted.states
    parts = covering(states, PARTS)
    if states and all(part in SMALL for part in parts):
        sources = [_narrowed(part, wanted) for part in parts]
        if all(are_few(rows, *part.order) for part, rows in zip(parts, sources, strict=True)):
            return Plan(sources, few=True)
    rows = job_rows()
    if wanted.since is not None:
        rows = rows.filter(id__gte=bound_at(wanted.since.at(now) - SKEW))
    if wanted.until is not None:
        rows = rows.filter(id__lte=bound_at(wanted.until.at(now) + SKEW, last=True))
    if (span := _span_of_ids(wanted.ids)) is not None:
        rows = rows.filter(id__gte=span[0], id__lte=span[1])
    for members, by_state in _memberships(wanted):
        rows = _between_ends(rows, members, by_state=by_state)
    return Plan([rows], few=False, whole=not wanted.states and not asks_columns(wanted))


def _between_ends(
    rows: QuerySet[Job], members: list[QuerySet[Job]], *, by_state: bool
) -> QuerySet[Job]:
    """Keep what lies between the first and the last member, as their index shows it: two looks, or two for a state."""
    ordered = _ends(members, by_state=by_state)
    return rows.filter(id__gte=ordered[0], id__lte=ordered[-1]) if ordered else rows.none()


def _ends(members: list[QuerySet[Job]], *, by_state: bool) -> list[str]:
    """Return keys of members, the first and the last of them all among them, in order."""
    parts = [
        part
        for source in members
        for part in ([source.filter(state=state) for state in State] if by_state else [source])
    ]
    ends = [
        id
        for part in parts
        for way in ("id", "-id")
        for id in part.order_by(way).values_list("id", flat=True)[:1]
    ]
    # In the database's own order of texts, which Python does not know.
    return list(job_rows().filter(id__in=ends).order_by("id").values_list("id", flat=True))


def _narrowed(part: Part, wanted: JobFilter) -> QuerySet[Job]:
    """Return the jobs of a part, of one queue where its index begins with the queue."""
    rows = part.rows()
    return rows.filter(queue=wanted.queue) if part is QUEUED and wanted.queue else rows


def _span_of_ids(ids: Sequence[str]) -> tuple[str, str] | None:
    """Return the first and the last UUID that begins as is asked for; None if other ids may be meant.

    Both are as long as any other: so the database's own order of texts is the order of the digits.
    """
    if len(ids) != 1 or not ids[0].endswith("*"):
        return None
    beginning, digits = ids[0].removesuffix("*"), "0123456789abcdef"
    form = "00000000-0000-0000-0000-000000000000"
    if (
        not beginning
        or len(beginning) > len(form)
        or not all(
            letter == "-" if place == "-" else letter in digits
            for letter, place in zip(beginning, form, strict=False)
        )
    ):
        return None
    rest = form[len(beginning) :]
    return beginning + rest, beginning + rest.replace("0", "f")


def ends_of(wanted: JobFilter) -> tuple[str, str] | None:
    """Return the first and the last key of the members of something that a filter names; None: it names nothing.

    Two short looks, or two for a state; of nothing that has members both are empty.
    """
    memberships = _memberships(wanted)
    if not memberships:
        return None
    members, by_state = memberships[0]
    ordered = _ends(members, by_state=by_state)
    return (ordered[0], ordered[-1]) if ordered else ("", "")


def _by_finish(wanted: JobFilter, now: datetime) -> Plan:
    states = frozenset(wanted.states or FINAL) & FINAL
    parts = covering(states, (DEAD, STOPPED))
    if State.SUCCEEDED in states:
        # What was cancelled or has expired is among it.
        parts = [*covering(states, (DEAD,)), OVER]
    sources = [part.rows() for part in parts]
    if wanted.fingerprint:
        sources = [DEAD.rows().filter(fingerprint=wanted.fingerprint)]
    elif State.SUCCEEDED in states:
        sources += [APART.rows().filter(task=task) for task in _tasks_apart(wanted)]
    return Plan(
        [_ended_between(rows, wanted, now) for rows in sources],
        few=False,
        whole=not asks_columns(wanted) and states in _WHOLE,
    )


def _tasks_apart(wanted: JobFilter) -> list[str]:
    if wanted.task and not wanted.task.endswith("*"):
        return [wanted.task]
    found: list[str] = []
    names = APART.rows().order_by("task").values_list("task", flat=True)
    task = names.first()
    while task is not None:
        if len(found) == MOST_APART:
            raise SelectionRefused(
                f"More than {MOST_APART} tasks have a retention of their own, and each would have to be asked for its "
                "latest ends: name a task, or take the order of record."
            )
        if task.startswith(wanted.task.removesuffix("*")):
            found.append(task)
        task = names.filter(task__gt=task).first()
    return found


def _ended_between(rows: QuerySet[Job], wanted: JobFilter, now: datetime) -> QuerySet[Job]:
    if wanted.finished_until is not None:
        rows = rows.filter(finished_at__lte=wanted.finished_until.at(now))
    if wanted.finished_since is not None:
        rows = rows.filter(finished_at__gte=wanted.finished_since.at(now))
    elif wanted.since is not None:
        # Nothing ends before it is recorded, unless the clock was set.
        rows = rows.filter(finished_at__gte=wanted.since.at(now) - SKEW)
    return rows
