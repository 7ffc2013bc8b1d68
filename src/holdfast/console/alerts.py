"""Alerts: what fires, by which rule, who was told; muting, switching rules, testing channels."""

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

from holdfast import alerts as verbs
from holdfast.alerts import stated
from holdfast.console.access import ADMINISTER
from holdfast.console.alert_forms import KINDS
from holdfast.console.pages import Done, Refused, action, actor, page
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.alerts import DUTY
from holdfast.ledger.reads import health

MESSAGES = 30
RECOVERED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertShown:
    """One thing that a rule has found."""

    id: int
    rule: str
    subject: str
    severity: str
    """critical or warning."""
    state: str
    """waiting (not for long enough yet), firing or recovered."""
    summary: str
    since: datetime
    told_at: datetime | None
    recovered_at: datetime | None
    muted: bool
    muted_until: datetime | None
    muted_by: str
    episode: int
    """How often it has come up."""
    url: str
    """The page behind it; empty if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleShown:
    """One rule, and what was said of it at run time."""

    name: str
    when: str
    """What kind of rule it is, as in the settings."""
    title: str
    """The same in words."""
    about: str
    """What it looks for."""
    severity: str
    to: list[str]
    """The channels that it tells."""
    added: bool
    """Whether somebody has added it at run time; else it is one of the settings."""
    problem: str
    """Why it cannot be followed, or whom it cannot tell; empty if all is well."""
    on: bool
    muted: bool
    muted_until: datetime | None
    by: str
    """Who said so."""
    reason: str
    firing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelShown:
    """Where messages go; its address and its key are shown to nobody."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageShown:
    """One message to one channel."""

    id: int
    channel: str
    title: str
    made_at: datetime
    sent_at: datetime | None
    tries: int
    error: str
    """Why the last try failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsPage:
    """What fires now, what has recovered of late, the rules, the channels and the latest messages."""

    problem: str
    """Why the settings cannot be followed; empty if they can."""
    watched: bool
    """Whether somebody looks: a worker, a scheduler, or the command."""
    firing: list[AlertShown]
    recovered: list[AlertShown]
    rules: list[RuleShown]
    channels: list[ChannelShown]
    messages: list[MessageShown]


@page("alerts/", name="alerts", title=gettext_lazy("Alerts"), template="holdfast/alerts.html")
def alerts(_request: HttpRequest) -> AlertsPage:
    """Show the alerts with their rules and messages: some small reads."""
    problem = ""
    try:
        said = stated.current()
        rules = verbs.rules()
    except ConfigurationError as error:
        problem, said, rules = str(error), stated.Alerting(), []
    now = verbs.now()
    found = [_alert(row, now) for row in verbs.listed()]
    duty = health.duty(DUTY)
    return AlertsPage(
        problem=problem,
        # Who takes over may need one more look to find out.
        watched=duty is not None
        and duty.holder is not None
        and duty.over_seconds < 2 * said.every_seconds,
        firing=[row for row in found if row.state != "recovered"],
        recovered=[row for row in found if row.state == "recovered"][:RECOVERED],
        rules=[_rule(rule, now) for rule in rules],
        channels=[ChannelShown(name=one.name, kind=one.kind) for one in said.channels.values()],
        messages=[_message(row) for row in verbs.latest(limit=MESSAGES)],
    )


class MuteForm(forms.Form):
    """For how long nobody is told, and why."""

    hours = forms.FloatField(
        min_value=0.0,
        max_value=8784.0,
        initial=1.0,
        label=gettext_lazy("Hours"),
        help_text=gettext_lazy("What still fires after that is told then. 0 ends it now."),
    )
    reason = forms.CharField(required=False, max_length=200, label=gettext_lazy("Why"))


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(required=False, max_length=200, label=gettext_lazy("Why"))


@action(
    "alerts/rules/<path:name>/mute/",
    name="alert-rule-mute",
    label=gettext_lazy("Mute"),
    needs=ADMINISTER,
    form=MuteForm,
    explains=gettext_lazy("Nobody is told of what this rule finds. What was told is taken back."),
)
def mute_rule(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done:
    """Tell nobody of what a rule finds for some hours; 0 ends that."""
    hours = asked["hours"]
    try:
        verbs.mute(name, hours=hours, actor=actor(request), reason=asked["reason"])
    except verbs.AlertNotFound as error:
        raise Http404(str(error)) from error
    words = _("Rule %(name)s is muted.") if hours else _("Rule %(name)s is not muted any more.")
    return Done(words % {"name": name}, to=_at())


@action(
    "alerts/rules/<path:name>/off/",
    name="alert-rule-off",
    label=gettext_lazy("Switch off"),
    needs=ADMINISTER,
    form=ReasonForm,
    explains=gettext_lazy("It is not looked at any more, and what fires by it recovers."),
)
def switch_off(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done:
    """Switch a rule off."""
    return _switch(request, name, on=False, reason=asked["reason"])


@action(
    "alerts/rules/<path:name>/on/",
    name="alert-rule-on",
    label=gettext_lazy("Switch on"),
    needs=ADMINISTER,
)
def switch_on(request: HttpRequest, name: str) -> Done:
    """Switch a rule on again."""
    return _switch(request, name, on=True, reason="")


@action(
    "alerts/<int:id>/mute/",
    name="alert-mute",
    label=gettext_lazy("Mute"),
    needs=ADMINISTER,
    form=MuteForm,
)
def mute_alert(request: HttpRequest, asked: Mapping[str, Any], id: int) -> Done:
    """Tell nobody of one alert for some hours; 0 ends that."""
    try:
        verbs.mute_alert(id, hours=asked["hours"], actor=actor(request))
    except verbs.AlertNotFound as error:
        raise Http404(str(error)) from error
    words = _("The alert is muted.") if asked["hours"] else _("The alert is not muted any more.")
    return Done(words, to=_at())


@action(
    "alerts/channels/<path:name>/test/",
    name="alert-test",
    label=gettext_lazy("Send a test"),
    needs=ADMINISTER,
)
def test(request: HttpRequest, name: str) -> Done:
    """Send a message that says that a channel works."""
    try:
        said = verbs.test(name, actor=actor(request))
    except verbs.AlertNotFound as error:
        raise Http404(str(error)) from error
    except ConfigurationError as error:
        # It names the key and the repair: no fault of the channel's.
        raise Refused(str(error)) from error
    except verbs.NotSent as error:
        raise Refused(
            _("Channel %(name)s did not take it: %(error)s. Look at its address and its key.")
            % {"name": name, "error": error}
        ) from error
    return Done(
        _("A test went to channel %(name)s (%(said)s).") % {"name": name, "said": said}, to=_at()
    )


def _switch(request: HttpRequest, name: str, *, on: bool, reason: str) -> Done:
    try:
        verbs.switch(name, on=on, actor=actor(request), reason=reason)
    except verbs.AlertNotFound as error:
        raise Http404(str(error)) from error
    words = _("Rule %(name)s is on.") if on else _("Rule %(name)s is off.")
    return Done(words % {"name": name}, to=_at())


def _alert(row: verbs.AlertRow, now: datetime) -> AlertShown:
    names = ("id", "rule", "subject", "severity", "state", "summary", "since", "told_at")
    more = ("recovered_at", "muted_until", "muted_by", "episode")
    return AlertShown(
        muted=row.muted_until is not None and row.muted_until > now,
        url=f"{reverse('holdfast:overview')}{row.path}" if row.path else "",
        **{name: getattr(row, name) for name in (*names, *more)},
    )


def _rule(rule: verbs.RuleState, now: datetime) -> RuleShown:
    muted = rule.muted_until is not None and rule.muted_until > now
    values = {
        name: getattr(rule, name)
        for name in RuleShown.__dataclass_fields__
        if name not in {"muted", "title"}
    }
    title = str(KINDS[rule.when][0]) if rule.when in KINDS else rule.when
    return RuleShown(muted=muted, title=title, **values)


def _message(row: verbs.NoticeRow) -> MessageShown:
    return MessageShown(
        id=row.id,
        channel=row.channel,
        title=str(row.body.get("title", "")),
        made_at=row.made_at,
        sent_at=row.sent_at,
        tries=row.tries,
        error=row.error,
    )


def _at() -> str:
    where: str = reverse("holdfast:alerts")
    return where
