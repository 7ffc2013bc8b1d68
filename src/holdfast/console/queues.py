"""Queues: what waits in each and since when, who takes it, how fast it goes; pausing, resuming, purging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from holdfast import operations, pausing, purging
from holdfast.console import links, queue_charts
from holdfast.console.access import OPERATE
from holdfast.console.numbers import grouped
from holdfast.console.pages import Done, Refused, action, actor, page
from holdfast.console.queue_charts import QueueCharts
from holdfast.ledger import pauses, samples
from holdfast.ledger.reads import queue_reads, rates, worker_reads
from holdfast.ledger.reads.queue_reads import Queue
from holdfast.ledger.samples import Sample
from holdfast.policies.scaling import desired_workers

# How far back the speed of a queue is judged.
SPEED = timedelta(minutes=10)
# More than so many are purged only by who types the queue's name.
TYPED_FROM = 100
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseShown:
    """Why nothing of a queue is claimed."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueNow:
    """One queue at about this moment."""

    name: str
    waiting: int
    more: bool
    """Whether more wait than were counted: no list is counted beyond 10,000."""
    by_priority: dict[int, int]
    """Waiting jobs by priority, 9 is the most urgent."""
    oldest_at: datetime | None
    oldest_seconds: float | None
    """For how long the one that waits longest has been on the broker."""
    running: int
    held: int
    """Jobs that are not due yet, among the 10,000 of the ledger that come next."""
    workers: list[str]
    """Names of the live workers that take jobs from it."""
    unserved: bool
    """Whether jobs wait, and no live worker takes them."""
    paused: PauseShown | None
    change_per_minute: float | None
    """By how many jobs the queue has grown a minute of late; negative while it shrinks, None if that is not known."""
    empty_seconds: float | None
    """Until it is empty, if it goes on like that; None unless it shrinks."""
    desired_workers: int
    """How many workers it should have, for whatever starts and ends them by how much waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuesPage:
    """Every queue that has open jobs, a live worker or a pause."""

    queues: list[QueueNow]
    paused_tasks: list[str]
    """Tasks that are paused, on whatever queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueWorker:
    """A live worker that takes jobs from the queue."""

    id: str
    name: str
    state: str
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage:
    """One queue."""

    queue: QueueNow
    workers: list[QueueWorker]
    hours: int
    """How far back the charts go."""
    ended_per_minute: float
    """How many of its jobs ended a minute in these hours."""
    charts: QueueCharts

    @property
    def title(self) -> str:
        """What the page is called."""
        return _("Queue %(name)s") % {"name": self.queue.name}

    @property
    def jobs_url(self) -> str:
        """The list of the jobs that wait in it."""
        return links.jobs(queue=self.queue.name, state="queued")

    @property
    def move_url(self) -> str:
        """Where all that waits in it is put on another queue."""
        return links.operation("queue", queue=self.queue.name)

    @property
    def stretches(self) -> list[tuple[int, str]]:
        """How far back the charts can go, in hours and in words."""
        return [(1, _("1 hour")), (6, _("6 hours")), (24, _("24 hours"))]


class QueueQuery(forms.Form):
    """What the page of a queue may be asked for."""

    hours = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value="1",
        choices=[(hours, hours) for hours in (1, 6, 24)],
        help_text=gettext_lazy("How far back the charts go."),
    )


@page("queues/", name="queues", title=gettext_lazy("Queues"), template="holdfast/queues.html")
def queues(_request: HttpRequest) -> QueuesPage:
    """Show every queue that has open jobs, a live worker or a pause."""
    found = {queue.name: queue for queue in queue_reads.queues()}
    paused = pauses.listed()
    mine = {one.name: one for one in paused if one.kind == pauses.QUEUE}
    for name in mine.keys() - found.keys():
        found[name] = Queue(name=name)
    recent = samples.latest(since=samples.now() - SPEED)
    return QueuesPage(
        queues=[_row(found[name], mine.get(name), recent.get(name, ())) for name in sorted(found)],
        paused_tasks=sorted(one.name for one in paused if one.kind == pauses.TASK),
    )


@page(
    "queues/<path:name>/",
    name="queue",
    title=gettext_lazy("Queue"),
    template="holdfast/queue.html",
    query=QueueQuery,
)
def queue(_request: HttpRequest, query: Mapping[str, Any], name: str) -> QueuePage:
    """Show one queue with its workers and its charts."""
    found = queue_reads.queue(name)
    paused = next((p for p in pauses.listed() if (p.kind, p.name) == (pauses.QUEUE, name)), None)
    hours = int(query["hours"])
    now = samples.now()
    past = samples.of_queue(name, since=now - timedelta(hours=hours))
    known = found.waiting or found.running or found.held or found.workers or paused or past
    if not known:
        raise Http404(
            _("No queue %(name)s has had jobs or workers of late. Is its name spelled like this?")
            % {"name": name}
        )
    recent = [sample for sample in past if sample.at >= now - SPEED]
    series = rates.series(timedelta(hours=hours), queue=name)
    return QueuePage(
        queue=_row(found, paused, recent),
        workers=[
            QueueWorker(id=str(one.id), name=one.name, state=one.state, slots=one.slots)
            for one in worker_reads.workers()
            if name in one.queues
        ],
        hours=hours,
        ended_per_minute=series.whole.per_second * 60,
        charts=queue_charts.drawn(queue_charts.depth(past, until=now, hours=hours), series),
    )


class PauseForm(forms.Form):
    """Why a queue is paused."""

    reason = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("Others see it beside the queue."),
    )


@action(
    "queues/<path:name>/pause/",
    name="queue-pause",
    label=gettext_lazy("Pause"),
    form=PauseForm,
    explains=gettext_lazy(
        "Nothing more of this queue begins anywhere until it is resumed. What runs goes on to its end."
    ),
)
def pause(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done:
    """Let nothing of the queue begin."""
    new = pausing.pause(queue=name, actor=actor(request), reason=asked["reason"])
    said = _("Queue %(name)s is paused.") if new else _("Queue %(name)s was paused before.")
    return Done(said % {"name": name}, to=_at(name))


class ResumeForm(forms.Form):
    """Why a queue goes on."""

    reason = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("Kept in the audit."),
    )


@action(
    "queues/<path:name>/resume/",
    name="queue-resume",
    label=gettext_lazy("Resume"),
    form=ResumeForm,
)
def resume(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done:
    """Let a paused queue go on."""
    ended = pausing.resume(queue=name, actor=actor(request), reason=asked["reason"])
    said = _("Queue %(name)s goes on.") if ended else _("Queue %(name)s was not paused.")
    return Done(said % {"name": name}, to=_at(name))


class PurgeForm(forms.Form):
    """What of a queue is to be cancelled."""

    until = forms.CharField(
        required=False,
        widget=forms.HiddenInput,
        help_text=gettext_lazy(
            "Only what waited at this moment (ISO 8601); now if it is left out."
        ),
    )
    counted = forms.CharField(required=False, widget=forms.HiddenInput)
    later = forms.BooleanField(
        required=False,
        label=gettext_lazy("Those too whose time is to come"),
        help_text=gettext_lazy("Jobs with an ETA or a countdown, and retries that wait."),
    )
    reason = forms.CharField(
        required=False, max_length=200, label=gettext_lazy("Reason, for the audit")
    )
    confirm = forms.CharField(
        required=False,
        label=gettext_lazy("Name of the queue"),
        help_text=gettext_lazy("Type the name of the queue to cancel more than 100 jobs."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        told = self.initial.get("counted") or (self.data.get("counted") if self.is_bound else "")
        if told:
            # What was counted is said where it is confirmed.
            self.fields["confirm"].label = str(told)

    def clean_until(self) -> datetime | None:
        """Read the moment."""
        text = self.cleaned_data["until"]
        moment = parse_datetime(text) if text else None
        if text and (moment is None or moment.tzinfo is None):
            raise forms.ValidationError(
                _("%(text)s is no moment: write it like 2026-01-31T12:00:00+00:00."),
                params={"text": text},
            )
        return moment


def _counted(_request: HttpRequest, name: str) -> dict[str, Any]:
    found = purging.waiting(name)
    told = _(
        "%(total)s jobs of queue %(queue)s wait now: %(queued)s on the broker, %(paused)s held by a pause, %(limited)s "
        "at a limit, %(due)s due. %(later)s more have a time that is to come."
    )
    parts = {
        part: grouped(getattr(found, part))
        for part in ("queued", "paused", "limited", "due", "later", "total")
    }
    return {
        "until": found.until.isoformat(),
        "counted": (_("More than ") if found.more else "") + told % {**parts, "queue": name},
    }


@action(
    "queues/<path:name>/purge/",
    name="queue-purge",
    label=gettext_lazy("Cancel what waits"),
    form=PurgeForm,
    initial=_counted,
    needs=OPERATE,
    explains=gettext_lazy(
        "Cancels the jobs of this queue that waited when this page was made, for good. Jobs that came later, and what "
        "runs, are left alone."
    ),
)
def purge(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done:
    """Cancel what waits in the queue: up to 2,000 jobs at once, more by an operation."""
    counted = purging.waiting(name, until=asked["until"])
    until = counted.until
    total = counted.total + (counted.later if asked["later"] else 0)
    if total > TYPED_FROM and asked["confirm"].strip() != name:
        raise Refused(
            _(
                "%(total)s jobs of queue %(name)s would be cancelled, and nothing was: type the name of the queue to "
                "confirm that."
            )
            % {"total": grouped(total), "name": name}
        )
    by = {"until": until, "later": asked["later"], "reason": asked["reason"]}
    if total > operations.AT_ONCE or counted.more:
        row = operations.ask("purge", {"queue": name}, actor=actor(request), **by)
        return Done(
            _("Operation %(id)s cancels about %(total)s jobs of queue %(name)s.")
            % {"id": row.id, "total": grouped(row.total), "name": name},
            to=reverse("holdfast:operation", args=[row.id]),
            data={"cancelled": 0, "left": row.total, "until": until, "operation": row.id},
        )
    purged = purging.purge(name, actor=actor(request), **by)
    said = ngettext(
        "%(count)s job of queue %(name)s is cancelled.",
        "%(count)s jobs of queue %(name)s are cancelled.",
        purged.cancelled,
    ) % {"count": grouped(purged.cancelled), "name": name}
    if purged.left:
        said += " " + _("%(left)s are left, which a transaction holds. Ask again.") % {
            "left": grouped(purged.left)
        }
    return Done(
        said,
        to=_at(name),
        data={"cancelled": purged.cancelled, "left": purged.left, "until": until},
    )


def _row(found: Queue, paused: pauses.Paused | None, recent: Sequence[Sample]) -> QueueNow:
    change = _change(recent)
    shrinks = change is not None and change < 0 and found.total
    return QueueNow(
        name=found.name,
        waiting=found.total,
        more=found.more,
        by_priority=found.waiting,
        oldest_at=found.oldest_at,
        oldest_seconds=found.oldest_seconds,
        running=found.running,
        held=found.held,
        workers=found.workers,
        unserved=found.unserved,
        paused=None
        if paused is None
        else PauseShown(by=paused.by, reason=paused.reason, at=paused.at),
        change_per_minute=change,
        empty_seconds=found.total / -change * 60 if shrinks and change and not found.more else None,
        desired_workers=desired_workers(found),
    )


def _change(recent: Sequence[Sample]) -> float | None:
    """Return the jobs a minute between the first and the last sample of a while."""
    if len(recent) < 2:
        return None
    first, last = recent[0], recent[-1]
    return (last.waiting - first.waiting) / ((last.at - first.at) / MINUTE)


def _at(name: str) -> str:
    where: str = reverse("holdfast:queue", args=[name])
    return where
