"""The page of one job: why it waits or why it failed, its life, its call, its result, its family, what it holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import current_app
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from holdfast import waiting
from holdfast.conf import get_settings
from holdfast.console import job_actions as _actions  # noqa: F401  # registers them
from holdfast.console import job_timeline as timeline
from holdfast.console import job_values as values
from holdfast.console import links
from holdfast.console.access import OPERATE
from holdfast.console.job_timeline import Event, Lane
from holdfast.console.job_values import Progress, Shown, ShownCall, Step
from holdfast.console.pages import page
from holdfast.console.state_names import named
from holdfast.dispatch import calls, editing
from holdfast.ledger import audit
from holdfast.ledger.ids import minted_at
from holdfast.ledger.reads import letters, one_job, standing
from holdfast.ledger.reads.attempts import AttemptRow
from holdfast.ledger.reads.one_job import Begun, Family, Held, Part
from holdfast.ledger.states import DEAD_LETTERS, FINAL, State
from holdfast.ledger.states import Hold as HoldReason
from holdfast.waiting import around
from holdfast.waiting.records import Wait
from holdfast.waiting.words import length, moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The unique key of a job, and the job that it was given to last."""

    key: str
    holder: str
    given_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Can:
    """What may be done with a job in the state it is in; whoever asks also needs the permission."""

    cancel: bool
    stop: bool
    replay: bool
    edit: bool
    discard: bool
    run_now: bool
    reroute: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One job with all that the ledger has of it, what is large in part; times by the database's clock."""

    id: str
    token: int
    """What an action must name: it does nothing once the job has moved on."""
    task: str
    queue: str
    priority: int
    state: str
    hold: str
    reason: str
    fingerprint: str
    attempts: int
    failures: int
    losses: int
    suspect: bool
    recorded_at: datetime
    due_at: datetime | None
    expires_at: datetime | None
    published_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    cancel_asked_at: datetime | None
    worker: UUID | None
    worker_name: str
    root_id: str | None
    parent_id: str | None
    group_id: str | None
    batch_id: str | None
    waits: list[Wait]
    error: str
    """Of the last attempt that failed; empty if the job has not failed."""
    last_line: str
    traceback: str
    events: list[Event]
    left_out: int
    """Earlier attempts that are not among the events."""
    call: ShownCall | None
    result: Shown | None
    progress: Progress | None
    checkpoint: Shown | None
    checkpoint_at: datetime | None
    limits: list[Held]
    key: Key | None
    effects: list[Begun]
    family: Family
    batch: Part | None
    steps: list[Step]
    can: Can
    now: datetime

    @property
    def title(self) -> str:
        """The task and the state: a tab among many says what has become of it."""
        return f"{self.task} · {named(self.state)}"

    @property
    def open(self) -> bool:
        """Whether it may move by itself."""
        return State[self.state.upper()] not in FINAL

    @property
    def stacks_url(self) -> str:
        """Where its worker shows what it does; empty if the job does not run, or its worker cannot be asked."""
        if self.worker is None or self.state != "running":
            return ""
        asked = current_app.conf.worker_enable_remote_control
        return links.address("worker-stacks", self.worker) if asked else ""

    @property
    def lanes(self) -> list[Lane]:
        """The picture of its attempts."""
        shown = [event.attempt for event in self.events if event.attempt]
        span = (self.recorded_at, self.finished_at or self.now)
        return timeline.lanes(shown, span=span, whole=not self.left_out)


@page("jobs/<str:id>/", name="job", title=gettext_lazy("Job"), template="holdfast/job.html")
def job(_request: HttpRequest, id: str) -> JobPage:
    """Return one job; some thirty looks by key or small index, however large what stands around it is."""
    row = _standing(id)
    lease = standing.lease_of(row.worker) if row.worker else None
    call, kept = one_job.call(row), one_job.kept(id)
    past = values.past(one_job.past(row, lease), row, call)
    left = one_job.checkpoint(id)
    failed = _failure(row, past.attempts)
    shared = {
        name: getattr(row, name) for name in JobPage.__dataclass_fields__ if hasattr(row, name)
    }
    return JobPage(
        **shared
        | {
            "state": row.state.name.lower(),
            "worker_name": lease.name if lease else "",
            "waits": waiting.why(row),
            "error": failed.error if failed else "",
            "last_line": timeline.last_line(failed.traceback) if failed else "",
            "traceback": failed.traceback if failed else "",
            "events": timeline.events(past, audit.lines(job=id), call.message if call else None),
            "left_out": past.left_out,
            "call": values.shown_call(row, call),
            "result": values.shown_result(row, kept) if row.state == State.SUCCEEDED else None,
            "progress": values.progress(row, kept) if row.state == State.RUNNING else None,
            "checkpoint": _checkpoint(row, left),
            "checkpoint_at": left[1] if left else None,
            "limits": one_job.places(row) if row.limited else [],
            "key": _key(row),
            "effects": one_job.begun(id),
            "family": one_job.family(row),
            "batch": one_job.part(row.batch_id),
            "steps": values.steps(row, call),
            "can": _can(row),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """All that a job is called with, without secrets, however large."""

    id: str
    task: str
    args: Any
    kwargs: Any
    note: str


@page(
    "jobs/<str:id>/call/",
    name="job-call",
    title=gettext_lazy("Arguments"),
    template="holdfast/job_call.html",
    needs=OPERATE,
)
def job_call(_request: HttpRequest, id: str) -> CallPage:
    """Return what a job is called with; reads all of it."""
    row = _standing(id)
    message = letters.messages([id]).get(id)
    if message is None:
        raise Http404(
            _("What job %(id)s was called with is not in the ledger any more.") % {"id": id}
        )
    said = calls.shown(current_app, message)
    return CallPage(id=id, task=row.task, args=said.args, kwargs=said.kwargs, note=said.hidden)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """All that a job returned, without secrets, however large."""

    id: str
    task: str
    result: Any
    note: str


@page(
    "jobs/<str:id>/result/",
    name="job-result",
    title=gettext_lazy("Result"),
    template="holdfast/job_result.html",
    needs=OPERATE,
)
def job_result(_request: HttpRequest, id: str) -> ResultPage:
    """Return what a job returned; reads all of it."""
    row = _standing(id)
    kept = one_job.kept(id, largest=None)
    found = values.shown_result(row, kept, most=None)
    if row.state != State.SUCCEEDED or found is None:
        raise Http404(_("Job %(id)s has no result in the ledger.") % {"id": id})
    return ResultPage(id=id, task=row.task, result=found.value, note=found.note)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPage:
    """What a dead letter is called with as JSON to be edited; stars stand for what is hidden, and keep it."""

    id: str
    token: int
    task: str
    args: str
    kwargs: str
    refused: str


@page(
    "jobs/<str:id>/edit/",
    name="job-edit",
    title=gettext_lazy("Edit and replay"),
    template="holdfast/job_edit.html",
    needs=OPERATE,
)
def job_edit(_request: HttpRequest, id: str) -> EditPage:
    """Return a form's first values."""
    row = _standing(id)
    message = letters.messages([id]).get(id)
    if row.state not in DEAD_LETTERS or message is None:
        said = editing.Editable(refused=_("Only failed and dead jobs can be edited."))
    else:
        said = editing.for_editing(current_app, message)
    return EditPage(
        id=id,
        token=row.token,
        task=row.task,
        args=said.args,
        kwargs=said.kwargs,
        refused=said.refused,
    )


def _standing(id: str) -> standing.Standing:
    row = standing.standing(id)
    if row is None:
        raise Http404(_not_here(id))
    return row


def _not_here(id: str) -> str:
    """Say why there may be no such job."""
    kept = current_app.backend.expires
    said = [_("Job %(id)s is not in the ledger.") % {"id": id}]
    made = minted_at(id)
    if made is not None:
        said.append(_("Its id was made at %(at)s.") % {"at": moment(made)})
    if kept:
        dead = get_settings().dead_letter_days * 86_400
        words = {"kept": length(kept), "dead": length(dead)}
        said.append(
            _(
                "Finished jobs are deleted %(kept)s after their end, failed and dead ones %(dead)s, where their task "
                "does not say otherwise."
            )
            % words
        )
    oldest = one_job.oldest_end()
    if oldest is not None:
        said.append(
            _("The oldest finished job that is here ended at %(at)s.") % {"at": moment(oldest)}
        )
    said.append(
        _(
            "Or it was never recorded: its transaction was rolled back, or it is a step that has not been sent yet."
        )
    )
    return " ".join(said)


def _failure(row: standing.Standing, attempts: Sequence[AttemptRow]) -> AttemptRow | None:
    """Return the attempt that tells why a job failed; of one that goes on, the last that did."""
    if row.state == State.SUCCEEDED:
        return None
    return next((attempt for attempt in reversed(attempts) if attempt.error), None)


def _checkpoint(row: standing.Standing, left: tuple[str, datetime] | None) -> Shown | None:
    if left is None:
        return None
    value = calls.clean(current_app, row.task, json.loads(left[0]))
    return values.shown(value, size=len(left[0]))


def _key(row: standing.Standing) -> Key | None:
    key = around.key_of(row)
    has = standing.who_has(key) if key else None
    return Key(key=key, holder=has[0], given_at=has[1]) if key and has else None


def _can(row: standing.Standing) -> Can:
    waits = row.state in {State.HELD, State.QUEUED}
    return Can(
        cancel=row.state not in FINAL,
        stop=row.state == State.RUNNING and row.cancel_asked_at is None,
        replay=row.state in FINAL,
        edit=row.state in DEAD_LETTERS,
        discard=row.state in DEAD_LETTERS and not row.unsettled,
        run_now=row.state == State.HELD and row.due_at is not None and row.due_at > row.now,
        reroute=waits and row.hold != HoldReason.REPLACED,
    )
