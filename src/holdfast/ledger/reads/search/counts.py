"""How many jobs are in each state: counted while they are few, estimated beyond, at the same cost at any size."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import BooleanField, Case, Count, Q, QuerySet, Value, When

from holdfast.ledger.database import connection, dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Job
from holdfast.ledger.reads.search.conditions import asked_of_columns, fitting, has_no_statistics
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.parts import FEW, PARTS, Part
from holdfast.ledger.reads.search.plans import named
from holdfast.ledger.states import State

_YES = Value(value=True, output_field=BooleanField())


@dataclass(frozen=True, slots=True)
class Number:
    """How many jobs there are.

    Attributes:
        count: the number, as far as it is known.
        exact: it is that many; otherwise it is an estimate or a lower bound.
        at_least: there are that many and maybe more.
    """

    count: int = 0
    exact: bool = True
    at_least: bool = False

    def __add__(self, other: Number) -> Number:
        return Number(
            self.count + other.count,
            exact=self.exact and other.exact,
            at_least=self.at_least or other.at_least,
        )


def by_state(wanted: JobFilter) -> dict[State, Number]:
    """Count the jobs that fit in each state, whatever states the filter itself asks for.

    Of each part of the table that an index holds at most 10,000 rows are read: if a part has no more, its numbers are
    exact. Beyond that PostgreSQL's planner estimates, and SQLite can only say how many there are at least. What jobs
    were called with, and their errors, are not looked at: a filter that asks for them gets an empty dictionary.

    Eight statements, and on PostgreSQL one for each number that is estimated.
    """
    wanted = replace(wanted, states=())
    if wanted.looks_into_bodies or wanted.error:
        return {}
    now = dialect().now()
    few = named(wanted)
    if few is not None:
        return _of_few([fitting(rows, wanted, now=now) for rows in few.sources])
    found: dict[State, Number] = defaultdict(Number)
    for part in PARTS:
        for state, number in _in_part(part, asked_of_columns(wanted, now=now)).items():
            found[state] += number
    return {
        state: _estimated(found[state], state, wanted, now)
        if found[state].at_least
        else found[state]
        for state in State
    }


def _of_few(sources: Sequence[QuerySet[Job]]) -> dict[State, Number]:
    counted: Counter[int] = Counter()
    for rows in sources:
        counted.update(dict(rows.order_by().values_list("state").annotate(n=Count("*"))))
    return {state: Number(counted[state]) for state in State}


def _in_part(part: Part, asked: Q) -> dict[State, Number]:
    """Count in the first 10,000 rows of a part."""
    rows = part.rows().annotate(fits=Case(When(asked, then=True), default=False) if asked else _YES)
    first = rows.order_by(*part.order)[: FEW + 1]
    counted = first.aggregate(
        total=Count("*"),
        **{
            state.name: Count("id", filter=Q(state=state, fits=True))
            for state in sorted(part.states)
        },
    )
    more = counted["total"] > FEW
    return {
        state: Number(counted[state.name], exact=not more, at_least=more) for state in part.states
    }


def _estimated(found: Number, state: State, wanted: JobFilter, now: datetime) -> Number:
    """Ask the planner, who has statistics; what was counted stands where that is more, or where there is none."""
    if connection().vendor != "postgresql" or has_no_statistics(wanted):
        return found
    rows = job_rows().filter(asked_of_columns(wanted, now=now), state=state)
    plan = json.loads(rows.explain(format="json"))
    guess = int(plan[0]["Plan"]["Plan Rows"])
    return replace(found, count=guess, at_least=False) if guess > found.count else found
