"""Activity: who did what and when, by the audit; and messages that were not ours, by the security events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from holdfast.console.pages import page
from holdfast.ledger import audit, security
from holdfast.ledger.audit import AuditLine
from holdfast.ledger.security import Kind

PAGE = 50
# Of what is said about a selection: the whole is in the audit.
MOST_DETAIL = 2000
# What such a line keeps is what the job was called with before: it may hold secrets, and is there to be put back.
_KEPT = {"edit"}
KINDS = sorted(
    (Kind.FORGED_TICKET, Kind.FORGED_MESSAGE, Kind.UNSIGNED, Kind.MALFORMED, Kind.UNKNOWN_JOB)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityLine:
    """One action of somebody's."""

    id: int
    at: datetime
    actor: str
    """Empty if whoever did it gave no name."""
    action: str
    job: str | None
    count: int | None
    """How many jobs it was about, if it was about many."""
    detail: Any
    """What was selected or changed: a text, or what it was written as. What a job was called with is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityPage:
    """Who did what, newest first."""

    lines: list[ActivityLine]
    actions: list[str]
    """The actions there are lines of."""
    before: int | None
    """Ask for the lines behind this one; None if these are the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityLine:
    """Messages of one kind that one worker met in one minute; what they say of themselves is not checked."""

    id: int
    at: datetime
    last_at: datetime
    kind: str
    queue: str
    task: str
    job: str
    worker: str | None
    count: int
    accepted: bool
    """Whether they were run all the same, as HOLDFAST["unsigned"] says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityPage:
    """Messages that were refused or suspected, newest first."""

    lines: list[SecurityLine]
    kinds: list[str]
    before: int | None
    """Ask for the lines behind this one; None if these are the last."""


class TimeQuery(forms.Form):
    """A stretch of time and a place in a list."""

    since = forms.DateTimeField(required=False, help_text=gettext_lazy("Then or later."))
    until = forms.DateTimeField(required=False, help_text=gettext_lazy("Before then."))
    before = forms.IntegerField(
        required=False, min_value=1, help_text=gettext_lazy("Show what is behind this line.")
    )


class ActivityQuery(TimeQuery):
    """Which lines are shown."""

    actor = forms.CharField(required=False, max_length=255, help_text=gettext_lazy("Who did it."))
    action = forms.CharField(
        required=False, max_length=32, help_text=gettext_lazy("What was done.")
    )
    job = forms.CharField(required=False, max_length=255, help_text=gettext_lazy("To which job."))


class SecurityQuery(TimeQuery):
    """Which events are shown."""

    kind = forms.ChoiceField(
        required=False,
        choices=[("", ""), *((kind, kind) for kind in KINDS)],
        help_text=gettext_lazy("What was wrong."),
    )


@page(
    "activity/",
    name="activity",
    title=gettext_lazy("Activity"),
    template="holdfast/activity.html",
    query=ActivityQuery,
)
def activity(_request: HttpRequest, query: Mapping[str, Any]) -> ActivityPage:
    """Show who did what, newest first."""
    found = audit.search(
        actor=query["actor"].strip(),
        action=query["action"].strip(),
        job=query["job"].strip(),
        since=query["since"],
        until=query["until"],
        before=query["before"],
        limit=PAGE + 1,
    )
    return ActivityPage(
        lines=[_line(line) for line in found[:PAGE]],
        actions=audit.actions(),
        before=found[PAGE - 1].id if len(found) > PAGE else None,
    )


@page(
    "activity/security/",
    name="activity-security",
    title=gettext_lazy("Security events"),
    template="holdfast/activity_security.html",
    query=SecurityQuery,
)
def refused(_request: HttpRequest, query: Mapping[str, Any]) -> SecurityPage:
    """Show the messages that were refused or suspected, newest first."""
    found = security.search(
        kind=query["kind"],
        since=query["since"],
        until=query["until"],
        before=query["before"],
        limit=PAGE + 1,
    )
    return SecurityPage(
        lines=[
            SecurityLine(
                id=line.id,
                at=line.at,
                last_at=line.last_at,
                kind=line.kind,
                queue=line.queue,
                task=line.task,
                job=line.job,
                worker=str(line.worker) if line.worker else None,
                count=line.count,
                accepted=line.accepted,
            )
            for line in found[:PAGE]
        ],
        kinds=list(KINDS),
        before=found[PAGE - 1].id if len(found) > PAGE else None,
    )


def _line(line: AuditLine) -> ActivityLine:
    return ActivityLine(
        id=line.id,
        at=line.at,
        actor=line.actor,
        action=line.action,
        job=line.job,
        count=line.count,
        detail=_detail(line),
    )


def _detail(line: AuditLine) -> Any:
    if line.action in _KEPT or not line.detail:
        return ""
    if line.detail.startswith("{") and len(line.detail) <= MOST_DETAIL:
        try:
            return json.loads(line.detail)
        except ValueError:
            pass
    return line.detail[:MOST_DETAIL]
