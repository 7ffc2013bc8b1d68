"""Limits: what each allows, who holds it, who waits and behind whom, when the rate lets the next in; changing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from holdfast import limits as verbs
from holdfast.console.access import ADMINISTER
from holdfast.console.pages import Done, Refused, action, actor, page
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.limiting import shown
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.limiting.shown import LimitHolder, LimitLine, LimitShown

PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitNow:
    """One limit, what it allows and how full it is."""

    name: str
    bounds: Bounds
    """What holds now."""
    declared: Bounds
    """What the code says."""
    is_set: bool
    """Whether other bounds than the code's were set at run time."""
    changed_at: datetime
    taken: int
    """Weights of its jobs that are queued or running."""
    waiting: int
    """Jobs that wait at it, counted up to 10,000."""
    tokens: float | None
    """How many the rate lets in at this moment; None without a rate."""
    next_seconds: float | None
    """Until the rate lets in the next one; 0 if it would now, None without a rate."""
    is_full: bool
    """Whether not even a light job would be let in now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsPage:
    """The limits that the ledger knows, by name."""

    limits: list[LimitNow]
    after: str | None
    """Ask for the limits behind this one; None if these are the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPage:
    """One limit, with those who are in and those who wait."""

    limit: LimitNow
    holders: list[LimitHolder]
    """Jobs that are let in and not over, 100 at most."""
    lines: list[LimitLine]
    """Those who wait, by key: 20 keys, and the first 20 of each."""

    @property
    def title(self) -> str:
        """What the page is called."""
        return _("Limit %(name)s") % {"name": self.limit.name}


class LimitsQuery(forms.Form):
    """Which limits are shown."""

    after = forms.CharField(
        required=False, help_text=gettext_lazy("Show the limits behind this name.")
    )


@page(
    "limits/",
    name="limits",
    title=gettext_lazy("Limits"),
    template="holdfast/limits.html",
    query=LimitsQuery,
)
def limits(_request: HttpRequest, query: Mapping[str, Any]) -> LimitsPage:
    """Show the limits by name, 50 of them."""
    found = shown.limits(after=query["after"], many=PAGE + 1)
    return LimitsPage(
        limits=[_row(limit) for limit in found[:PAGE]],
        after=found[PAGE - 1].name if len(found) > PAGE else None,
    )


@page(
    "limits/<path:name>/",
    name="limit",
    title=gettext_lazy("Limit"),
    template="holdfast/limit.html",
)
def limit(_request: HttpRequest, name: str) -> LimitPage:
    """Show one limit, with those who are in and those who wait."""
    return LimitPage(
        limit=_row(_found(name)), holders=shown.holders(name), lines=shown.waiters(name)
    )


class LimitForm(forms.Form):
    """What a limit is to allow; a field that is left empty is no bound."""

    concurrency = forms.IntegerField(
        required=False,
        min_value=1,
        label=gettext_lazy("At once"),
        help_text=gettext_lazy("Most that may be queued or running, by weight."),
    )
    per_key = forms.IntegerField(
        required=False,
        min_value=1,
        label=gettext_lazy("At once with one key"),
        help_text=gettext_lazy("The same for each key by itself."),
    )
    rate = forms.CharField(
        required=False,
        max_length=40,
        label=gettext_lazy("Rate"),
        help_text=gettext_lazy("How many may be let in per period: 10/s, 100/m, 5/10s, 1000/h."),
    )
    burst = forms.IntegerField(
        required=False,
        min_value=1,
        label=gettext_lazy("Burst"),
        help_text=gettext_lazy("Most that the rate lets in at one moment; only with a rate."),
    )
    was = forms.CharField(
        required=False,
        widget=forms.HiddenInput,
        help_text=gettext_lazy(
            "What held when you looked; if something else holds by now, nothing is changed."
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse bounds that cannot be kept."""
        asked = dict(self.cleaned_data)
        try:
            Bounds(
                concurrency=asked.get("concurrency"),
                per_key=asked.get("per_key"),
                rate=asked.get("rate") or None,
                burst=asked.get("burst"),
            )
        except ConfigurationError as error:
            raise forms.ValidationError(str(error)) from error
        return asked


def _as_it_is(_request: HttpRequest, name: str) -> dict[str, Any]:
    bounds = _found(name).bounds
    return {
        "concurrency": bounds.concurrency,
        "per_key": bounds.per_key,
        "rate": bounds.rate,
        "burst": bounds.burst,
        "was": bounds.as_text(),
    }


@action(
    "limits/<path:name>/change/",
    name="limit-change",
    label=gettext_lazy("Change"),
    needs=ADMINISTER,
    form=LimitForm,
    initial=_as_it_is,
    explains=gettext_lazy(
        "Holds at once in the whole cluster, whatever the code says, until it is reset. A lower bound stops nothing "
        "that was let in before. To stop everything, pause the queue or the task."
    ),
)
def change(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done:
    """Change what a limit allows."""
    before = _found(name).bounds
    if asked["was"] and asked["was"] != before.as_text():
        raise Refused(
            _(
                "Limit %(name)s was changed since you looked, and is as it was left then: look at it again."
            )
            % {"name": name}
        )
    verbs.set(
        name,
        actor=actor(request),
        concurrency=asked["concurrency"],
        per_key=asked["per_key"],
        rate=asked["rate"] or None,
        burst=asked["burst"],
    )
    return Done(_("Limit %(name)s is changed.") % {"name": name}, to=_at(name))


@action(
    "limits/<path:name>/reset/",
    name="limit-reset",
    label=gettext_lazy("Back to what the code says"),
    needs=ADMINISTER,
)
def reset(request: HttpRequest, name: str) -> Done:
    """Let what the code says hold again."""
    _found(name)
    verbs.reset(name, actor=actor(request))
    return Done(_("Limit %(name)s is as the code says.") % {"name": name}, to=_at(name))


def _found(name: str) -> LimitShown:
    found = shown.limit(name)
    if found is None:
        raise Http404(
            _(
                "There is no limit %(name)s. A limit is made by the code, and known once a worker has it."
            )
            % {"name": name}
        )
    return found


def _row(limit: LimitShown) -> LimitNow:
    return LimitNow(**{name: getattr(limit, name) for name in LimitNow.__dataclass_fields__})


def _at(name: str) -> str:
    where: str = reverse("holdfast:limit", args=[name])
    return where
