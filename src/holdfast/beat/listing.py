"""Schedules for whoever looks at them or runs one by hand, in any process of the project."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from celery import current_app
from celery.result import AsyncResult
from django.utils.translation import gettext as _

from holdfast.beat import firing, plans, sources
from holdfast.beat.plans import Day
from holdfast.beat.rules import Rule
from holdfast.beat.words import in_words
from holdfast.dispatch.prose import Prose
from holdfast.exceptions import ScheduleNotFound
from holdfast.ledger import audit, pauses, schedulers
from holdfast.ledger import schedules as ledger
from holdfast.ledger.database import atomic, dialect
from holdfast.ledger.pauses import Paused
from holdfast.ledger.reads.occurrences import OccurrenceRow, history_of
from holdfast.ledger.schedulers import SchedulerRow
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
    words: str = ""
    """When it is due, in words for people."""
    zone: str | None = None
    """The zone whose clock it means; None if it means none."""
    paused: Paused | None = None
    """Who has paused it, since when, and why: its due times are skipped."""
    problem: str = ""
    """Why its next due time cannot be computed: then it does not run. Empty if it can."""
    overdue_seconds: float = 0.0
    """How long its next due time has been past: more than a second or two, and no scheduler decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One schedule with what is before it and what is behind it."""

    info: ScheduleInfo
    args: Any
    """As people may see them, without secrets; a function that makes one is said to be one."""
    kwargs: Any
    hidden: str
    """Why it is not the arguments themselves that stand there; empty if they are, but for starred secrets."""
    options: Mapping[str, Any]
    overlap: str
    """What becomes of an occurrence whose forerunner has not ended, in words."""
    has_condition: bool
    """Whether `should_run` is asked."""
    next_due: list[datetime]
    """The next due times, first the oldest that is overdue; in the zone whose clock the schedule means, or in UTC."""
    history: list[OccurrenceRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leading:
    """Who acts for all schedulers."""

    leader: SchedulerRow | None
    """None: nobody leads, or the leader has not told of itself yet."""
    standing_by: list[SchedulerRow]
    led: bool
    """Whether the duty is held; if not, a scheduler takes it within a second, if there is one."""


def schedules() -> list[ScheduleInfo]:
    """Return every schedule of the settings and of django-celery-beat, by name.

    Raises:
        ConfigurationError: an entry of the settings cannot be read; the message names it.
    """
    rules = sources.read(current_app)
    standings = ledger.standings(rules.keys())
    last = ledger.last_occurrences(rules.keys())
    paused = pauses.paused_schedules()
    now = dialect().now()
    return [
        _info(rules[name], standings.get(name), last.get(name), paused.get(name), now=now)
        for name in sorted(rules)
    ]


def schedule(
    name: str, *, runs: int = 5, history: int = 25, before: datetime | None = None
) -> Plan:
    """Return one schedule with its next due times, and with what became of those before.

    Args:
        name: of the schedule.
        runs: how many due times to come.
        history: how many occurrences, the latest first.
        before: those due before this moment, for the next page.

    Raises:
        ScheduleNotFound: no source has a schedule of this name; the message has the nearest one.
    """
    rule = known(name)
    standing = ledger.standings([name]).get(name)
    last = ledger.last_occurrences([name]).get(name)
    now = dialect().now()
    call = plans.call_of(current_app, rule)
    info = _info(rule, standing, last, pauses.schedule_pause(name), now=now)
    due = [] if info.problem else plans.due_times(rule, standing, now=now, most=runs)
    return Plan(
        info=info,
        args=call.args,
        kwargs=call.kwargs,
        hidden=call.hidden,
        options=plans.options_of(rule),
        overlap=plans.overlap_of(current_app, rule),
        has_condition=rule.should_run is not None,
        next_due=[moment.astimezone(plans.clock_of(rule)) for moment in due],
        history=[
            replace(row, reason=_prose(rule).clean(row.reason))
            for row in history_of(name, before=before, limit=history)
        ],
    )


def day() -> list[Day]:
    """Return when each enabled schedule is due within the next 24 hours, by name; one that is paused is left out."""
    rules = sources.read(current_app)
    standings = ledger.standings(rules.keys())
    paused = pauses.paused_schedules()
    now = dialect().now()
    return [
        plans.day_of(rules[name], standings.get(name), now=now)
        for name in sorted(rules)
        if rules[name].enabled and name not in paused
    ]


def leading() -> Leading:
    """Return which scheduler leads, and how many stand by."""
    holder, free = ledger.duty_holder()
    living = schedulers.living()
    # A leader that froze has its duty until it runs out, and may have told nothing since.
    leader = next((row for row in living if row.id == holder and not free), None)
    return Leading(
        leader=leader, standing_by=[row for row in living if row is not leader], led=not free
    )


def run_now(name: str, *, actor: str | None = None) -> AsyncResult[Any]:
    """Make a job of a schedule at once, beside its due times; inside a transaction it is part of it.

    Its condition is not asked, and one that is switched off or paused runs too. The occurrence it leaves has the
    reason "run now"; its due times stay as they are. With an actor the audit gets a line, in the same transaction.

    Raises:
        ScheduleNotFound: no source has a schedule of this name; the message has the nearest one.
    """
    rule = known(name)
    with atomic():
        result = firing.fire_now(current_app, rule)
        if actor is not None:
            audit.note("run now", actor=actor, job=result.id, detail=f"schedule {name}")
    return result


def known(name: str) -> Rule:
    """Return the rule of a schedule.

    Raises:
        ScheduleNotFound: no source has a schedule of this name; the message has the nearest one.
    """
    rules = sources.read(current_app)
    if name not in rules:
        near = difflib.get_close_matches(name, rules, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(rules))}"
        raise ScheduleNotFound(f"There is no schedule {name!r}: {hint}")
    return rules[name]


def _prose(rule: Rule) -> Prose:
    """Return the rules for what the condition or the call of a schedule said when it could not be fired."""
    return Prose(current_app.tasks.get(rule.task))


def _info(
    rule: Rule,
    standing: Standing | None,
    last: Decided | None,
    paused: Paused | None,
    *,
    now: datetime,
) -> ScheduleInfo:
    due, problem = None, ""
    try:
        due = next(iter(plans.due_times(rule, standing, now=now, most=1)), None)
    except (
        Exception
    ) as error:  # a class of the project's own may raise anything, and must hide no other schedule
        problem = _("its next due time cannot be computed, so it does not run: %(error)s") % {
            "error": repr(error)
        }
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
        last_reason=_prose(rule).clean(last.reason) if last else "",
        words=in_words(rule.timing),
        zone=plans.zone_of(rule),
        paused=paused,
        problem=problem,
        overdue_seconds=max(0.0, (now - due).total_seconds()) if due is not None else 0.0,
    )
