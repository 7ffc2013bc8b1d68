"""Schedules for whoever looks at them or runs one by hand, in any process of the project."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery import current_app
from celery.result import AsyncResult

from holdfast.beat import firing, sources
from holdfast.beat.rules import Rule
from holdfast.exceptions import ScheduleNotFound
from holdfast.ledger import schedules as ledger
from holdfast.ledger.database import dialect
from holdfast.ledger.schedules import Decided, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """One schedule as it stands now."""

    name: str
    task: str
    source: str
    """"settings", or "database" for the tables of django-celery-beat."""
    timing: str
    """The rule in words; two schedules with the same words are due at the same times."""
    enabled: bool
    catch_up: str
    next_due_at: datetime | None
    """By the database's clock. In the past: no scheduler has decided it yet. None: never again, or not enabled."""
    last_due_at: datetime | None
    """Due time of the latest occurrence that was decided."""
    last_outcome: str | None
    """"fired", "skipped", "missed" or "failed"."""
    last_job: str | None
    last_reason: str


def schedules() -> list[ScheduleInfo]:
    """Return every schedule of the settings and of django-celery-beat, by name.

    Raises:
        ConfigurationError: an entry of the settings cannot be read; the message names it.
    """
    rules = sources.read(current_app)
    standings = ledger.standings(rules.keys())
    last = ledger.last_occurrences(rules.keys())
    now = dialect().now()
    return [
        _info(rules[name], standings.get(name), last.get(name), now=now) for name in sorted(rules)
    ]


def run_now(name: str) -> AsyncResult[Any]:
    """Make a job of a schedule at once, beside its due times; inside a transaction it is part of it.

    Its condition is not asked, and one that is switched off runs too. The occurrence it leaves has the reason
    "run now".

    Raises:
        ScheduleNotFound: no source has a schedule of this name; the message has the nearest one.
    """
    rules = sources.read(current_app)
    if name not in rules:
        near = difflib.get_close_matches(name, rules, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(rules))}"
        raise ScheduleNotFound(f"There is no schedule {name!r}: {hint}")
    return firing.fire_now(current_app, rules[name])


def _info(
    rule: Rule, standing: Standing | None, last: Decided | None, *, now: datetime
) -> ScheduleInfo:
    due = None
    if rule.enabled:
        due = (
            rule.due_after(standing.decided_until, anchor=standing.anchor_at)
            if standing is not None and rule.is_standing(standing)
            else rule.due_after(now, anchor=now)
        )
    return ScheduleInfo(
        name=rule.name,
        task=rule.task,
        source=rule.source,
        timing=rule.timing.text,
        enabled=rule.enabled,
        catch_up=str(rule.catch_up),
        next_due_at=due,
        last_due_at=last.due_at if last else None,
        last_outcome=last.outcome if last else None,
        last_job=last.job if last else None,
        last_reason=last.reason if last else "",
    )
