"""What is done to the jobs that were ticked in the list: cancelled, put back to work, given up or moved elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

import holdfast
from holdfast import dead_letters, waiting
from holdfast.console.pages import Done, Refused, action, actor
from holdfast.exceptions import JobNotFound, SelectionRefused
from holdfast.ledger.reads import queries
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.listing import matches

MOST = 500


class Ids(forms.MultipleChoiceField):
    """Ids of jobs: whatever they are, the ledger says which of them there are."""

    def valid_value(self, value: str) -> bool:
        """Any id may be one."""
        return bool(value)


class SelectedForm(forms.Form):
    """The jobs that were ticked."""

    ids = Ids(
        label=_("Jobs"),
        widget=forms.MultipleHiddenInput,
        error_messages={"required": _("No job is ticked: tick one at least.")},
    )

    def clean_ids(self) -> list[str]:
        """Return each once; so many as one page may show."""
        ids: list[str] = list(dict.fromkeys(self.cleaned_data["ids"]))
        if len(ids) > MOST:
            raise forms.ValidationError(
                _now("%(n)s jobs are more than the %(most)s that are moved at once: tick fewer.")
                % {"n": len(ids), "most": MOST}
            )
        return ids


class RerouteForm(SelectedForm):
    """Where waiting jobs are to wait."""

    queue = forms.CharField(required=False, max_length=255, label=_("Queue"))
    priority = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=9,
        label=_("Priority"),
        help_text=_("From 0 to 9; 9 goes first."),
    )

    def clean(self) -> dict[str, Any]:
        """Require one of the two."""
        asked: dict[str, Any] = super().clean() or {}
        if not self.errors and not asked["queue"] and asked["priority"] is None:
            raise forms.ValidationError(_now("Name a queue or a priority, or both."))
        return asked


@action("jobs/selected/cancel/", name="jobs-cancel", label=_("Cancel"), form=SelectedForm)
def cancel(request: HttpRequest, asked: Mapping[str, Any]) -> Done:
    """Cancel jobs for good: those that wait never run, those that run are stopped."""
    ids = asked["ids"]
    open_ids = queries.known(ids) - queries.finished_ids(ids)
    holdfast.cancel(sorted(open_ids), actor=actor(request))
    told = ngettext("%(n)s job is cancelled.", "%(n)s jobs are cancelled.", len(open_ids))
    return _done(told, moved=len(open_ids), asked=len(ids), why=_now("they had ended before"))


@action("jobs/selected/replay/", name="jobs-replay", label=_("Replay"), form=SelectedForm)
def replay(request: HttpRequest, asked: Mapping[str, Any]) -> Done:
    """Put finished jobs back to work, each as a new attempt of the same job."""
    ids = asked["ids"]
    moved = sum(_is_replayed(id, actor(request)) for id in ids)
    told = ngettext("%(n)s job is back at work.", "%(n)s jobs are back at work.", moved)
    return _done(told, moved=moved, asked=len(ids), why=_now("they have not ended yet"))


@action("jobs/selected/discard/", name="jobs-discard", label=_("Discard"), form=SelectedForm)
def discard(request: HttpRequest, asked: Mapping[str, Any]) -> Done:
    """Give failed and dead jobs up: they are no dead letters any more."""
    ids = asked["ids"]
    moved = dead_letters.filter(ids=ids).discard(actor=actor(request))
    told = ngettext("%(n)s job is given up.", "%(n)s jobs are given up.", moved)
    return _done(told, moved=moved, asked=len(ids), why=_now("they are no dead letters"))


@action(
    "jobs/selected/reroute/",
    name="jobs-reroute",
    label=_("Move"),
    form=RerouteForm,
    explains=_("They wait on another queue, or with another priority. Times and limits stay."),
)
def reroute(request: HttpRequest, asked: Mapping[str, Any]) -> Done:
    """Let waiting jobs wait on another queue or with another priority; one that is refused stays where it is."""
    ids, moved, refusal = asked["ids"], 0, ""
    for id, token in matches(JobFilter(ids=tuple(ids)), limit=MOST).tokens.items():
        try:
            moved += waiting.reroute(
                id,
                token=token,
                actor=actor(request),
                queue=asked["queue"] or None,
                priority=asked["priority"],
            )
        except SelectionRefused as error:
            refusal = str(error)
    if refusal and not moved:
        raise Refused(refusal)
    told = ngettext("%(n)s job is moved.", "%(n)s jobs are moved.", moved)
    why = refusal.rstrip(".") or _now("they do not wait, or are there already")
    return _done(told, moved=moved, asked=len(ids), why=why)


def _is_replayed(id: str, who: str) -> bool:
    try:
        holdfast.replay(id, actor=who)
    except JobNotFound:
        return False
    return True


def _done(told: str, *, moved: int, asked: int, why: str) -> Done:
    left = asked - moved
    message = told % {"n": moved}
    if left:
        message += " " + ngettext(
            "%(n)s was left as it is: %(why)s.", "%(n)s were left as they are: %(why)s.", left
        ) % {"n": left, "why": why}
    return Done(message, data={"moved": moved, "left": left})
