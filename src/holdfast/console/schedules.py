"""Schedules: all of them, when each is due, who schedules; one with its history; pause, resume and run one now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import EncodeError

import holdfast
from holdfast import pausing
from holdfast.beat import listing, plans
from holdfast.beat.listing import Leading, ScheduleInfo
from holdfast.beat.plans import Day
from holdfast.console.pages import Done, Refused, action, actor, page
from holdfast.exceptions import ScheduleNotFound
from holdfast.ledger.database import dialect
from holdfast.ledger.pauses import Paused
from holdfast.ledger.reads.occurrences import OccurrenceRow

RUNS = 5
HISTORY = 25
# So many due in one minute are said to be many.
MANY = 3
MOST_MINUTES = 8
# A schedule whose next due time has been past for so long is told: somebody looks each second.
OVERDUE_SECONDS = 15.0
# Of the half hour that has begun, and of the day after it.
CELLS = 49


class HistoryQuery(forms.Form):
    """Which part of the history."""

    before = forms.DateTimeField(required=False)


class PauseForm(forms.Form):
    """Why it is paused."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=200,
        help_text=_("Shown beside the schedule, and with each due time that is skipped."),
    )


class ResumeForm(forms.Form):
    """Why it goes on."""

    reason = forms.CharField(
        label=_("Reason"), required=False, max_length=200, help_text=_("Kept in the audit.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleLine:
    """One schedule."""

    name: str
    task: str
    words: str
    """When it is due, in words."""
    source: str
    """"settings", or "database" for the tables of django-celery-beat."""
    enabled: bool
    paused: Paused | None
    next_due_at: datetime | None
    """In the past: no scheduler has decided it yet. None: never again, or switched off."""
    overdue: bool
    """Whether its next due time has been past for longer than 15 s: no scheduler decides it."""
    last_due_at: datetime | None
    last_outcome: str | None
    """"fired", "skipped", "missed" or "failed"."""
    last_reason: str
    last_job: str | None
    problem: str
    """Why its next due time cannot be computed; empty if it can."""
    state: str
    """"paused", "off", "broken", "overdue", "over" if it is never due again, or "ok"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """A minute in which several schedules are due."""

    at: datetime
    names: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Half an hour of the next day."""

    count: int
    """Due times in it."""
    level: int
    """How many that is beside the other cells, from 0 to 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """The next 24 hours of one schedule."""

    name: str
    counts: list[int]
    """Due times in each half hour."""
    often: bool
    """Whether it is due more than 96 times: then only the first 96 are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When what is due within the next 24 hours, in half hours; what is paused or switched off is left out."""

    start: datetime
    """When the first half hour begins."""
    hours: list[datetime]
    """The hours at which the strips are marked."""
    together: list[Cell]
    """All schedules that are not due very often."""
    strips: list[Strip]
    crowded: list[Minute]
    """Minutes in which at least three schedules are due, the fullest first, at most eight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesPage:
    """Every schedule, who schedules, and the next day."""

    schedules: list[ScheduleLine]
    scheduler: Leading
    lag_seconds: float
    """How long the due time that has waited longest for a decision has been past."""
    timeline: Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun:
    """A due time to come."""

    at: datetime
    there: str
    """The same on the clock of the schedule's zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePage:
    """One schedule."""

    schedule: ScheduleLine
    zone: str | None
    """The zone whose clock it means."""
    args: Any
    """Without secrets."""
    kwargs: Any
    hidden: str
    """Why it is not the arguments themselves that stand there; empty if they are."""
    options: Mapping[str, Any]
    overlap: str
    """What becomes of an occurrence whose forerunner has not ended."""
    catch_up: str
    """What becomes of due times at which no scheduler lived: "skip", "last" or "all"."""
    has_condition: bool
    """Whether `should_run` is asked before each."""
    next_due: list[NextRun]
    history: list[OccurrenceRow]
    """The latest first."""
    before: datetime | None
    """What to give as `before` for the next part of the history; None at its end."""

    @property
    def title(self) -> str:
        """The name."""
        return self.schedule.name


@page("schedules/", name="schedules", title=_("Schedules"), template="holdfast/schedules.html")
def schedules(_request: HttpRequest) -> SchedulesPage:
    """List all schedules."""
    found = listing.schedules()
    waiting = [s.overdue_seconds for s in found if s.enabled]
    return SchedulesPage(
        schedules=[_line(info) for info in found],
        scheduler=listing.leading(),
        lag_seconds=max(waiting, default=0.0),
        timeline=_timeline(listing.day(), dialect().now()),
    )


@page(
    "schedules/<path:name>/",
    name="schedule",
    title=_("Schedule"),
    template="holdfast/schedule.html",
    query=HistoryQuery,
)
def schedule(_request: HttpRequest, query: Mapping[str, Any], name: str) -> SchedulePage:
    """Show one schedule."""
    try:
        plan = listing.schedule(
            name, runs=RUNS, history=HISTORY + 1, before=query["before"] or None
        )
    except ScheduleNotFound as error:
        raise Http404(str(error)) from error
    return SchedulePage(
        schedule=_line(plan.info),
        zone=plan.info.zone,
        args=plan.args,
        kwargs=plan.kwargs,
        hidden=plan.hidden,
        options=plan.options,
        overlap=plan.overlap,
        catch_up=plan.info.catch_up,
        has_condition=plan.has_condition,
        next_due=[
            NextRun(at=due, there=date_format(due, "D Y-m-d H:i:s T")) for due in plan.next_due
        ],
        history=plan.history[:HISTORY],
        before=plan.history[HISTORY - 1].due_at if len(plan.history) > HISTORY else None,
    )


@action(
    "schedules/<path:name>/pause/",
    name="schedule-pause",
    label=_("Pause"),
    form=PauseForm,
    explains=_(
        "Its due times are skipped until it is resumed, whichever scheduler leads. They are not made up for."
    ),
)
def pause(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done:
    """Pause a schedule."""
    try:
        new = pausing.pause(schedule=name, actor=actor(request), reason=asked["reason"])
    except ScheduleNotFound as error:
        raise Http404(str(error)) from error
    told = _("Schedule %(name)s is paused.") if new else _("Schedule %(name)s was paused before.")
    return Done(told % {"name": name}, to=_address(name), data={"changed": new})


@action(
    "schedules/<path:name>/resume/",
    name="schedule-resume",
    label=_("Resume"),
    form=ResumeForm,
    explains=_("It goes on with its next due time; those that were skipped are not made up for."),
)
def resume(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done:
    """Let a paused schedule go on with its next due time."""
    ended = pausing.resume(schedule=name, actor=actor(request), reason=asked["reason"])
    told = _("Schedule %(name)s goes on.") if ended else _("Schedule %(name)s was not paused.")
    return Done(told % {"name": name}, to=_address(name), data={"changed": ended})


@action("schedules/<path:name>/run/", name="schedule-run", label=_("Run now"))
def run(request: HttpRequest, name: str) -> Done:
    """Make a job of a schedule beside its due times."""
    try:
        job = holdfast.run_now(name, actor=actor(request)).id
    except ScheduleNotFound as error:
        raise Http404(str(error)) from error
    except (EncodeError, TypeError, ValueError) as error:
        told = _("Its call cannot be made: %(error)s. Mend it where the schedule is written.")
        raise Refused(told % {"error": error}) from error
    return Done(_("Job %(job)s is recorded.") % {"job": job}, to=_address(name), data={"job": job})


# -- what is shown -------------------------------------------------------------------------------------


def _address(name: str) -> str:
    return reverse("holdfast:schedule", args=[name])


def _line(info: ScheduleInfo) -> ScheduleLine:
    overdue = info.enabled and info.overdue_seconds > OVERDUE_SECONDS
    return ScheduleLine(
        name=info.name,
        task=info.task,
        words=info.words,
        source=info.source,
        enabled=info.enabled,
        paused=info.paused,
        next_due_at=info.next_due_at,
        overdue=overdue,
        last_due_at=info.last_due_at,
        last_outcome=info.last_outcome,
        last_reason=info.last_reason,
        last_job=info.last_job,
        problem=info.problem,
        state=_state(info, overdue=overdue),
    )


def _state(info: ScheduleInfo, *, overdue: bool) -> str:
    if not info.enabled:
        return "off"
    if info.problem:
        return "broken"
    if info.paused is not None:
        return "paused"
    if overdue:
        return "overdue"
    return "ok" if info.next_due_at is not None else "over"


def _timeline(days: list[Day], now: datetime) -> Timeline:
    start = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    counted = {day.name: _cells(day.due, start) for day in days}
    some = [day.name for day in days if not day.more]
    together = [sum(counted[name][at] for name in some) for at in range(CELLS)]
    most = max(together, default=0)
    return Timeline(
        start=start,
        hours=[start + timedelta(hours=hour) for hour in range(0, 24, 3)],
        together=[Cell(count=count, level=_level(count, most)) for count in together],
        strips=[Strip(name=day.name, counts=counted[day.name], often=day.more) for day in days],
        crowded=[
            Minute(at=at, names=names)
            for at, names in plans.crowded(days, least=MANY)[:MOST_MINUTES]
        ],
    )


def _cells(due: list[datetime], start: datetime) -> list[int]:
    cells = [0] * CELLS
    for moment in due:
        at = int((moment - start).total_seconds() // 1800)
        if 0 <= at < CELLS:
            cells[at] += 1
    return cells


def _level(count: int, most: int) -> int:
    return 0 if not count else min(4, 1 + 3 * (count - 1) // max(1, most - 1))
