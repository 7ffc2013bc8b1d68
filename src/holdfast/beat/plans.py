"""What a schedule will do: its next due times, what is called, and what becomes of a run that meets the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any

from celery.beat import BeatLazyFunc
from django.utils.translation import gettext as _

from holdfast.beat.rules import Rule
from holdfast.beat.timing import Crontab, Estimated
from holdfast.dispatch import calls
from holdfast.dispatch.calls import ShownCall
from holdfast.dispatch.known import task_named
from holdfast.ledger.schedules import Standing
from holdfast.ledger.states import Scope
from holdfast.policies.unique import Unique

DAY = timedelta(days=1)
# One that is due more often in a day is said to be, and its due times are not counted out.
MOST_MARKS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The due times of one schedule within a day."""

    name: str
    due: list[datetime]
    """At most 96; the first ones, if there are more."""
    more: bool
    """Whether it is due more often than that."""


def due_times(rule: Rule, standing: Standing | None, *, now: datetime, most: int) -> list[datetime]:
    """Return the next due times of a schedule, first the oldest that is overdue; none if it is switched off.

    By the rule itself: a wall clock that is set forward or back in between is heeded.
    """
    return list(islice(_due_from(rule, standing, now=now), most))


def day_of(rule: Rule, standing: Standing | None, *, now: datetime) -> Day:
    """Return when a schedule is due within the next 24 hours."""
    found: list[datetime] = []
    # One whose due times cannot be computed says so in the list, and has none here.
    with suppress(Exception):
        for due in _due_from(rule, standing, now=now):
            if due >= now + DAY or len(found) > MOST_MARKS:
                break
            found.append(due)
    return Day(name=rule.name, due=found[:MOST_MARKS], more=len(found) > MOST_MARKS)


def crowded(days: Iterable[Day], *, least: int) -> list[tuple[datetime, list[str]]]:
    """Return the minutes in which at least so many schedules are due, with their names, the fullest first."""
    minutes: dict[datetime, list[str]] = {}
    for day in days:
        # One that is due every minute says nothing of this one.
        if day.more:
            continue
        for minute in sorted({due.replace(second=0, microsecond=0) for due in day.due}):
            minutes.setdefault(minute, []).append(day.name)
    full = [(minute, names) for minute, names in minutes.items() if len(names) >= least]
    return sorted(full, key=lambda each: (-len(each[1]), each[0]))


def zone_of(rule: Rule) -> str | None:
    """Return the zone whose clock a schedule means; None if it means none."""
    return str(rule.timing.zone) if isinstance(rule.timing, Crontab | Estimated) else None


def clock_of(rule: Rule) -> tzinfo:
    """Return the same as a zone; UTC for a schedule that means no clock."""
    return rule.timing.zone if isinstance(rule.timing, Crontab | Estimated) else UTC


def call_of(app: Any, rule: Rule) -> ShownCall:
    """Return what a schedule calls its task with, without secrets."""
    lazy = _("computed at each run")
    args = [lazy if isinstance(value, BeatLazyFunc) else value for value in rule.args]
    kwargs = {
        key: lazy if isinstance(value, BeatLazyFunc) else value
        for key, value in rule.kwargs.items()
    }
    return calls.shown_arguments(app, rule.task, args, kwargs)


def overlap_of(app: Any, rule: Rule) -> str:
    """Return in words what becomes of an occurrence whose forerunner has not ended."""
    task = task_named(app, rule.task)
    if task is None:
        return _("not known here: no process of this kind has the task")
    unique = rule.options.get("unique") or getattr(task, "unique", None)
    limits = getattr(task, "stated_limits", ())
    one_by_one = any(limit.concurrency == 1 for limit in limits)
    told = {
        Scope.QUEUED: _("makes no second job while one waits"),
        Scope.UNFINISHED: _("makes no second job while one has not ended"),
        Scope.PERIOD: _("makes no second job within the period of its key"),
    }
    parts = [told[str(unique.scope)]] if isinstance(unique, Unique) else []
    if one_by_one:
        parts.append(_("runs one after the other"))
    return ", ".join(parts) or _("runs beside it: nothing keeps two from overlapping")


def options_of(rule: Rule) -> Mapping[str, Any]:
    """Return how a schedule sends its call, but for its headers: queue, priority, expiry."""
    shown = ("queue", "priority", "expires", "exchange", "routing_key", "durable")
    return {key: rule.options[key] for key in shown if rule.options.get(key) is not None}


def _due_from(rule: Rule, standing: Standing | None, *, now: datetime) -> Iterator[datetime]:
    """Yield due times in their order; of those that are overdue the first one alone."""
    if not rule.enabled:
        return
    if standing is not None and rule.is_standing(standing):
        moment, anchor = standing.decided_until, standing.anchor_at
    else:
        moment = anchor = now
    due = rule.due_after(moment, anchor=anchor)
    while due is not None:
        yield due
        due = rule.due_after(max(due, now), anchor=anchor)
