"""How many jobs are in each state: counted while they are few, estimated beyond, at the same cost at any size."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import BooleanField, Case, Count, Q, QuerySet, Value, When

from holdfast.ledger.database import connection, dialect
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Job
from holdfast.ledger.reads.search.conditions import asked_of_columns, fitting, has_no_statistics
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.parts import FEW, PARTS, Part, are_few
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

    Two statements for each of eight parts at most.
    """
    wanted = replace(wanted, states=())
    if wanted.looks_into_bodies or wanted.error:
        return {}
    now = dialect().now()
    few = named(wanted)
    if few is not None:
        return _of_few([fitting(rows, wanted, now=now) for rows in few.sources])
    asked = asked_of_columns(wanted, now=now)
    found: dict[State, Number] = defaultdict(Number)
    guessed: set[State] = set()
    for part in PARTS:
        if are_few(part.rows(), *part.order):
            counted = _counted(part, asked, exact=True)
        elif connection().vendor == "postgresql" and not has_no_statistics(wanted):
            guessed |= part.states
            continue
        else:
            counted = _counted(part, asked, exact=False)
        for state, number in counted.items():
            found[state] += number
    return {
        state: _estimated(state, asked, at_least=found[state]) if state in guessed else found[state]
        for state in State
    }


def _of_few(sources: Sequence[QuerySet[Job]]) -> dict[State, Number]:
    counted: Counter[int] = Counter()
    for rows in sources:
        counted.update(dict(rows.order_by().values_list("state").annotate(n=Count("*"))))
    return {state: Number(counted[state]) for state in State}


def _counted(part: Part, asked: Q, *, exact: bool) -> dict[State, Number]:
    """Count what fits in a part, or in the first 10,000 rows of one that has more."""
    fits = Case(When(asked, then=True), default=False) if asked else _YES
    first = part.rows().annotate(fits=fits).order_by(*part.order)[:FEW]
    counted = first.aggregate(
        **{
            state.name: Count("id", filter=Q(state=state, fits=True))
            for state in sorted(part.states)
        }
    )
    return {
        state: Number(counted[state.name], exact=exact, at_least=not exact) for state in part.states
    }


def _estimated(state: State, asked: Q, *, at_least: Number) -> Number:
    """Ask the planner, who has statistics of the whole table."""
    plan = json.loads(job_rows().filter(asked, state=state).explain(format="json"))
    guess = int(plan[0]["Plan"]["Plan Rows"])
    return Number(max(guess, at_least.count), exact=False)
