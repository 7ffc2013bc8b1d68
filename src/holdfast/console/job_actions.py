"""What can be done with one job. Each form names the token of the job as it was seen: once that has moved on, nothing
is done, so a form that is sent twice, or late, does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from celery import current_app
from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import holdfast
from holdfast import dead_letters, waiting
from holdfast.console.pages import Done, Refused, action, actor
from holdfast.dispatch import calls, editing
from holdfast.ledger.fence import as_seen
from holdfast.ledger.reads import letters, queue_reads, standing
from holdfast.ledger.states import DEAD_LETTERS, FINAL, State


class SeenForm(forms.Form):
    """Names the job as it was seen."""

    token = forms.IntegerField(
        widget=forms.HiddenInput, help_text=gettext_lazy("The job's token, as its page shows it.")
    )


class CancelForm(SeenForm):
    """How a job that runs is to stop."""

    terminate = forms.BooleanField(
        required=False,
        label=gettext_lazy("Stop it if it runs"),
        help_text=gettext_lazy("Otherwise a running job is asked to stop by itself."),
    )


class ReplayForm(SeenForm):
    """Where a replay begins."""

    from_start = forms.BooleanField(
        required=False,
        label=gettext_lazy("From the start"),
        help_text=gettext_lazy("Otherwise it goes on from its last checkpoint, if it has one."),
    )


class JSONTextField(forms.CharField):
    """JSON as a text; whoever sends JSON may send the value itself."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str | None:
        """Return the text."""
        is_text = value is None or isinstance(value, str)
        return super().to_python(value if is_text else json.dumps(value))


class EditForm(SeenForm):
    """What a job is to be called with."""

    args = JSONTextField(label=gettext_lazy("Arguments"), max_length=262_144)
    kwargs = JSONTextField(label=gettext_lazy("Named arguments"), max_length=262_144)


class RerouteForm(SeenForm):
    """Where a waiting job is to wait."""

    queue = forms.CharField(required=False, max_length=255, label=gettext_lazy("Queue"))
    priority = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=9,
        label=gettext_lazy("Priority"),
        help_text=gettext_lazy("From 0 to 9; 9 goes first."),
    )


def _seen(_request: HttpRequest, id: str) -> dict[str, Any]:
    row = standing.standing(id)
    if row is None:
        raise Refused(_("Job %(id)s is not in the ledger any more.") % {"id": id})
    return {"token": row.token, "queue": row.queue, "priority": row.priority}


def _page(id: str) -> str:
    return reverse("holdfast:job", args=[id])


@action(
    "jobs/<str:id>/cancel/",
    name="job-cancel",
    label=gettext_lazy("Cancel"),
    form=CancelForm,
    initial=_seen,
    explains=gettext_lazy(
        "A job that waits never runs; what follows it in a chain or chord is told."
    ),
)
def cancel(request: HttpRequest, asked: Mapping[str, Any], id: str) -> Done:
    """Cancel a job for good, or ask a running one to stop."""
    with as_seen(id, asked["token"]) as state:
        if state in FINAL:
            raise Refused(_("Job %(id)s is over: there is nothing to cancel.") % {"id": id})
        holdfast.cancel([id], terminate=asked["terminate"], actor=actor(request))
    if state == State.RUNNING and not asked["terminate"]:
        return Done(_("Job %(id)s was asked to stop.") % {"id": id}, to=_page(id))
    return Done(_("Job %(id)s is cancelled.") % {"id": id}, to=_page(id))


@action(
    "jobs/<str:id>/replay/",
    name="job-replay",
    label=gettext_lazy("Replay"),
    form=ReplayForm,
    initial=_seen,
    explains=gettext_lazy("It is put back to work as a new attempt of the same job."),
)
def replay(request: HttpRequest, asked: Mapping[str, Any], id: str) -> Done:
    """Put a finished job back to work."""
    with as_seen(id, asked["token"]) as state:
        if state not in FINAL:
            raise Refused(_("Job %(id)s is not over yet: it cannot be replayed.") % {"id": id})
        holdfast.replay(id, actor=actor(request), from_start=asked["from_start"])
    return Done(_("Job %(id)s is back at work.") % {"id": id}, to=_page(id))


@action(
    "jobs/<str:id>/edit-and-replay/",
    name="job-edit-and-replay",
    label=gettext_lazy("Edit and replay"),
    form=EditForm,
    initial=_seen,
    explains=gettext_lazy("JSON; stars stand for what is hidden, and keep it."),
)
def edit_and_replay(request: HttpRequest, asked: Mapping[str, Any], id: str) -> Done:
    """Change what a failed or dead job is called with, and put it back to work."""
    with as_seen(id, asked["token"]) as state:
        message = letters.messages([id]).get(id)
        if state not in DEAD_LETTERS or message is None:
            raise Refused(
                _("Only failed and dead jobs can be edited, and job %(id)s is none.") % {"id": id}
            )
        args, kwargs = editing.edited(
            current_app, message, args=asked["args"], kwargs=asked["kwargs"]
        )
        old_args, old_kwargs = calls.arguments(current_app, message)
        same = (list(old_args), dict(old_kwargs)) == (args, kwargs)
        new: dict[str, Any] = {} if same else {"args": args, "kwargs": kwargs}
        if not dead_letters.filter(ids=[id]).replay(actor=actor(request), **new):
            raise Refused(_("Job %(id)s has moved on: look at it again.") % {"id": id})
    said = (
        _("Job %(id)s is back at work, as it was.")
        if same
        else _("Job %(id)s is back at work, edited.")
    )
    return Done(said % {"id": id}, to=_page(id))


@action(
    "jobs/<str:id>/discard/",
    name="job-discard",
    label=gettext_lazy("Discard"),
    form=SeenForm,
    initial=_seen,
    explains=gettext_lazy(
        "It is given up, and deleted as other finished jobs are. A replay brings it back until then."
    ),
)
def discard(request: HttpRequest, asked: Mapping[str, Any], id: str) -> Done:
    """Give a failed or dead job up."""
    with as_seen(id, asked["token"]) as state:
        if state not in DEAD_LETTERS:
            raise Refused(
                _("Only failed and dead jobs are discarded, and job %(id)s is none.") % {"id": id}
            )
        if not dead_letters.filter(ids=[id]).discard(actor=actor(request)):
            said = _(
                "Those who wait for job %(id)s have not been told of its end yet: try again in a moment."
            )
            raise Refused(said % {"id": id})
    return Done(_("Job %(id)s is discarded.") % {"id": id}, to=_page(id))


@action(
    "jobs/<str:id>/run-now/",
    name="job-run-now",
    label=gettext_lazy("Run now"),
    form=SeenForm,
    initial=_seen,
    explains=gettext_lazy(
        "It is due at once. At its limits, and for a pause, it waits all the same."
    ),
)
def run_now(request: HttpRequest, asked: Mapping[str, Any], id: str) -> Done:
    """End the wait for an ETA, for the delay of a retry or for the end of a snooze."""
    with as_seen(id, asked["token"]):
        if not waiting.run_now(id, token=asked["token"], actor=actor(request)):
            said = _(
                "Job %(id)s does not wait for its time, so there is nothing to bring forward: see why it waits."
            )
            raise Refused(said % {"id": id})
    return Done(_("Job %(id)s is due now.") % {"id": id}, to=_page(id))


@action(
    "jobs/<str:id>/reroute/",
    name="job-reroute",
    label=gettext_lazy("Reroute"),
    form=RerouteForm,
    initial=_seen,
    explains=gettext_lazy(
        "It waits on another queue, or with another priority. Its time and its limits stay."
    ),
)
def reroute(request: HttpRequest, asked: Mapping[str, Any], id: str) -> Done:
    """Let a waiting job wait on another queue or with another priority."""
    queue, priority = asked["queue"] or None, asked["priority"]
    with as_seen(id, asked["token"]) as state:
        if state in FINAL or state == State.RUNNING:
            raise Refused(
                _("Job %(id)s does not wait any more, so it was not rerouted.") % {"id": id}
            )
        done = waiting.reroute(
            id, token=asked["token"], actor=actor(request), queue=queue, priority=priority
        )
        if not done:
            said = _(
                "Job %(id)s is there already, or waits for its replacement: nothing was changed."
            )
            raise Refused(said % {"id": id})
    said = _("Job %(id)s is rerouted.") % {"id": id}
    if queue and not queue_reads.is_served(queue):
        said += " " + _("No live worker takes jobs from the queue %(queue)s.") % {"queue": queue}
    return Done(said, to=_page(id))
