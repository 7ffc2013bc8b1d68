"""Batches: the list, one of them with its progress, its causes of failure and its callbacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from celery import current_app
from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from holdfast.console.batches_actions import row_of
from holdfast.console.pages import page
from holdfast.dispatch import calls, said
from holdfast.ledger.batches import BatchRow
from holdfast.ledger.database import dialect
from holdfast.ledger.reads import batch_reads
from holdfast.ledger.reads.batch_reads import Called, Counted, Fault
from holdfast.ledger.states import OPEN, State

PAGE = 25
MOST_INNER = 50
EVENTS = ("success", "complete", "failure")
WHICH = {"all": _("All"), "open": _("Open"), "done": _("Done"), "failed": _("Failed")}


class BatchesQuery(forms.Form):
    """Which batches are listed."""

    which = forms.ChoiceField(required=False, choices=[(name, name) for name in WHICH])
    before = forms.CharField(required=False, max_length=255)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCount:
    """How many members are in one state."""

    state: str
    count: int
    more: bool
    """Whether there are more than were counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is called at an end of a batch, in short."""

    event: str
    """"success", "complete" or "failure"."""
    task: str
    job: str | None
    """The job it became; None if its end has not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLine:
    """One batch, with the progress of its members and of those of its inner batches."""

    id: str
    name: str
    parent_id: str | None
    ends: list[str]
    """What has come: "failed", "complete", "succeeded", "cancelled"; none while it is open and well."""
    is_sealed: bool
    """Whether it ends with the last of its members; if not, more are to be added from outside."""
    created_at: datetime
    ended_at: datetime | None
    states: list[StateCount]
    deleted: int
    """Members that had ended and whose rows are gone."""
    done: int
    total: int
    fraction: float | None
    """What is done of all, from 0 to 1; None where there are more of both than were counted."""
    at_least: bool
    """Whether the fraction is the least it can be."""
    at_most: bool
    """Whether the fraction is the most it can be."""
    per_second: float | None
    """Ends per second since it was made; None if more have ended than were counted."""
    left_seconds: float | None
    """How long the open members take at that pace; None if nobody can tell."""
    calls: list[Call]
    """What is called at its ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchesPage:
    """Batches, the newest first."""

    which: str
    choices: Mapping[str, Any]
    batches: list[BatchLine]
    next: str | None
    """What to give as `before` for the next page; None at the end."""
    whole: bool
    """Whether all inner batches were counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What is called at an end of a batch."""

    event: str
    """"success", "complete" or "failure"."""
    task: str
    args: Any
    """Without secrets."""
    kwargs: Any
    hidden: str
    """Why it is not the arguments themselves that stand there; empty if they are."""
    job: str | None
    """The job it became; None if its end has not come."""
    state: str
    """The job's state; "to come", or "never" if its end cannot come any more as things stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """One batch."""

    batch: BatchLine
    faults: list[Fault]
    """What failed and dead members have in common, of 10,000 of them at most."""
    callbacks: list[Callback]
    inner: list[BatchLine]
    """Batches that are its members, at most 50."""
    failed: int
    """Failed and dead members, as far as they were counted."""
    spoiled: bool
    """Whether a member that had not succeeded is deleted: success cannot come any more."""
    whole: bool
    """Whether all inner batches were counted."""

    @property
    def title(self) -> str:
        """The name, or the id of one without."""
        return self.batch.name or self.batch.id


@page(
    "batches/",
    name="batches",
    title=_("Batches"),
    template="holdfast/batches.html",
    query=BatchesQuery,
)
def batches(_request: HttpRequest, query: Mapping[str, Any]) -> BatchesPage:
    """List batches in pages."""
    which = query["which"] or "all"
    rows = batch_reads.page(which, before=query["before"] or None, limit=PAGE + 1)
    within, whole = batch_reads.trees([row.id for row in rows[:PAGE]])
    return BatchesPage(
        which=which,
        choices=WHICH,
        batches=_lines(rows[:PAGE], within, most=batch_reads.MOST_LISTED),
        next=rows[PAGE - 1].id if len(rows) > PAGE else None,
        whole=whole,
    )


@page("batches/<str:id>/", name="batch", title=_("Batch"), template="holdfast/batch.html")
def batch(_request: HttpRequest, id: str) -> BatchPage:
    """Show one batch."""
    row = row_of(id)
    inner = batch_reads.inner_rows(id, limit=MOST_INNER)
    within, whole = batch_reads.trees([id, *(one.id for one in inner)])
    lines = _lines([row, *inner], within, most=batch_reads.MOST_ALONE)
    failed = sum(one.count for one in lines[0].states if one.state in ("failed", "dead"))
    return BatchPage(
        batch=lines[0],
        faults=_faults(within[id]) if failed else [],
        callbacks=_callbacks(row),
        inner=lines[1:],
        failed=failed,
        spoiled=row.spoiled,
        whole=whole,
    )


# -- what is read --------------------------------------------------------------------------------------


def _lines(rows: list[BatchRow], within: dict[str, list[str]], *, most: int) -> list[BatchLine]:
    counts = batch_reads.counted({row.id: within[row.id] for row in rows}, most=most)
    now = dialect().now()
    return [_line(row, counts[row.id], now) for row in rows]


def _line(row: BatchRow, counted: Counted, now: datetime) -> BatchLine:
    open_more, done_more = bool(counted.more & OPEN), bool(counted.more - OPEN)
    total = counted.open + counted.done
    fraction = (counted.done / total if total else 1.0) if not (open_more and done_more) else None
    ended = row.completed_at
    seconds = ((ended or now) - row.created_at).total_seconds()
    pace = counted.done / seconds if counted.done and seconds > 0 and not done_more else None
    signatures, called = json.loads(row.callbacks), json.loads(row.called)
    ends = {
        "failed": row.failed_at if row.succeeded_at is None else None,
        "complete": row.completed_at if row.succeeded_at is None else None,
        "succeeded": row.succeeded_at,
        "cancelled": row.cancelled_at,
    }
    return BatchLine(
        id=row.id,
        name=row.name,
        parent_id=row.parent_id,
        ends=[name for name, moment in ends.items() if moment is not None],
        is_sealed=row.sealed_at is not None,
        created_at=row.created_at,
        ended_at=ended,
        states=[
            StateCount(state=state.name.lower(), count=n, more=state in counted.more)
            for state in State
            if (n := counted.states[state])
        ],
        deleted=counted.deleted,
        done=counted.done,
        total=total,
        fraction=fraction,
        at_least=done_more and not open_more,
        at_most=open_more and not done_more,
        per_second=pace,
        left_seconds=counted.open / pace
        if pace and counted.open and ended is None and not counted.more
        else None,
        calls=[
            Call(event=event, task=str(signatures[event].get("task") or "?"), job=called.get(event))
            for event in EVENTS
            if event in signatures
        ],
    )


def _faults(ids: list[str]) -> list[Fault]:
    found = batch_reads.faults(ids)
    rules = said.of_jobs(current_app, {fault.sample: fault.task for fault in found})
    return [replace(fault, error=rules[fault.sample].clean(fault.error)) for fault in found]


def _callbacks(row: BatchRow) -> list[Callback]:
    signatures, called = json.loads(row.callbacks), json.loads(row.called)
    jobs = batch_reads.called(called.values())
    found = []
    for event in EVENTS:
        if event not in signatures:
            continue
        signature, job = signatures[event], called.get(event)
        task = str(signature.get("task") or "?")
        shown = calls.shown_arguments(
            current_app, task, signature.get("args") or (), signature.get("kwargs") or {}
        )
        state = _state_of(row, event, jobs, job)
        found.append(
            Callback(
                event=event,
                task=task,
                args=shown.args,
                kwargs=shown.kwargs,
                hidden=shown.hidden,
                job=job,
                state=state,
            )
        )
    return found


def _not_called(row: BatchRow, event: str) -> str:
    over = row.completed_at is not None
    if (event == "success" and row.spoiled) or (
        event == "failure" and row.succeeded_at is not None
    ):
        return "never"
    return "waits for a replay" if event == "success" and over else "to come"


def _state_of(row: BatchRow, event: str, jobs: Mapping[str, Called], job: str | None) -> str:
    if job is not None:
        return jobs[job].state if job in jobs else "deleted"
    return _not_called(row, event)
