"""Rules of alerts that people add: chosen, filled in, looked at, added, changed, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from holdfast import alerts as verbs
from holdfast.alerts.deciding import Sign
from holdfast.console.access import ADMINISTER
from holdfast.console.alert_forms import KINDS, ChangeForm, RuleForm, said
from holdfast.console.pages import Done, action, actor, page

SHOWN = 20


class RuleQuery(forms.Form):
    """Which rule is begun, or changed; `look` asks what it would say, with the fields of its form beside it."""

    when = forms.ChoiceField(required=False, choices=[(kind, kind) for kind in KINDS])
    change = forms.CharField(required=False, max_length=100)
    look = forms.BooleanField(required=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindShown:
    """What a rule can look for."""

    when: str
    title: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundShown:
    """One thing that is wrong now."""

    summary: str
    url: str
    """The page behind it; empty if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewShown:
    """What the rule would say if it were looked at now."""

    name: str
    heading: str
    """Of the message; empty if it finds nothing."""
    found: list[FoundShown]
    """The first 20 things."""
    count: int
    to: list[str]
    """Who would be told."""
    for_seconds: float
    """For how long it must be so before that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePage:
    """A rule that is being made or changed; nothing is written, and nobody is told."""

    kinds: list[KindShown]
    when: str
    """The kind that was chosen; empty: none yet."""
    change: str
    """The name of the rule that is changed; empty: it is a new one."""
    asked: dict[str, Any]
    """What it says as it was filled in."""
    looked: bool
    problem: str
    """Why it cannot be followed; empty if it can."""
    preview: PreviewShown | None

    @property
    def title(self) -> str:
        return str(_("Change %(name)s") % {"name": self.change} if self.change else _("New rule"))

    @property
    def kind(self) -> KindShown | None:
        """What was chosen."""
        return next((one for one in self.kinds if one.when == self.when), None)

    @property
    def form(self) -> RuleForm:
        """What is filled in."""
        return _form(self.change, self.asked, looked=self.looked)

    @property
    def hidden(self) -> RuleForm:
        """The same, to be sent as it is."""
        return _form(self.change, self.asked, looked=True, auto_id=False)


@page(
    "alerts/rules/new/",
    name="alert-rule-new",
    title=_("New rule"),
    template="holdfast/alert_rule.html",
    needs=ADMINISTER,
    query=RuleQuery,
)
def rule_new(request: HttpRequest, query: Mapping[str, Any]) -> RulePage:
    """Show the form of a rule, and with `look` what it would say now: one look of that kind of rule."""
    change = query["change"]
    before = _added(change).said if change else {}
    when = query["when"] or str(before.get("when", ""))
    asked: dict[str, Any] = {**before, "when": when}
    looked = bool(query["look"] and when)
    if looked:
        lists = {"to": request.GET.getlist("to")}
        asked = {key: request.GET[key] for key in request.GET} | lists
        asked = {key: value for key, value in asked.items() if key not in {"look", "change"}}
        asked["when"] = when
    preview, problem = _preview(change, asked) if looked else (None, "")
    return RulePage(
        kinds=[
            KindShown(when=kind, title=str(title), says=str(says))
            for kind, (title, says) in KINDS.items()
        ],
        when=when,
        change=change,
        asked=asked,
        looked=looked,
        problem=problem,
        preview=preview,
    )


@action(
    "alerts/rules/add/",
    name="alert-rule-add",
    label=_("Add the rule"),
    needs=ADMINISTER,
    form=RuleForm,
    explains=_("Beside the rules of the settings; whoever looks has it at the next look."),
)
def rule_add(request: HttpRequest, asked: Mapping[str, Any]) -> Done:
    """Add a rule."""
    name = verbs.add_rule(said(dict(asked)), actor=actor(request))
    return Done(_("Rule %(name)s is added.") % {"name": name}, to=_at(), data={"rule": name})


@action(
    "alerts/rules/<path:name>/change/",
    name="alert-rule-change",
    label=_("Change the rule"),
    needs=ADMINISTER,
    form=ChangeForm,
    initial=lambda _request, name: _added(name).said,
)
def rule_change(request: HttpRequest, asked: Mapping[str, Any], name: str) -> Done:
    """Let a rule that was added say something else; what is left out has the default of its kind."""
    try:
        verbs.change_rule(name, said(dict(asked)), actor=actor(request))
    except verbs.AlertNotFound as error:
        raise Http404(str(error)) from error
    return Done(_("Rule %(name)s is changed.") % {"name": name}, to=_at())


@action(
    "alerts/rules/<path:name>/remove/",
    name="alert-rule-remove",
    label=_("Remove"),
    needs=ADMINISTER,
)
def rule_remove(request: HttpRequest, name: str) -> Done:
    """Remove a rule that was added; what it has told is taken back."""
    try:
        verbs.remove_rule(name, actor=actor(request))
    except verbs.AlertNotFound as error:
        raise Http404(str(error)) from error
    return Done(_("Rule %(name)s is removed.") % {"name": name}, to=_at())


def _preview(change: str, asked: dict[str, Any]) -> tuple[PreviewShown | None, str]:
    form = _form(change, asked, looked=True)
    if not form.is_valid():
        return None, ""
    words = said(form.cleaned_data)
    try:
        found = verbs.preview({**words, "name": change} if change else words)
    except verbs.RuleRefused as error:
        return None, str(error)
    shown = PreviewShown(
        name=found.name,
        heading=found.title,
        found=[_found(sign) for sign in found.found[:SHOWN]],
        count=len(found.found),
        to=found.to,
        for_seconds=found.for_seconds,
    )
    return shown, ""


def _form(change: str, asked: dict[str, Any], *, looked: bool, auto_id: Any = "id_%s") -> RuleForm:
    kind = ChangeForm if change else RuleForm
    if looked:
        return kind(asked, auto_id=auto_id)
    return kind(initial=asked, auto_id=auto_id)


def _found(sign: Sign) -> FoundShown:
    url = f"{reverse('holdfast:overview')}{sign.path}" if sign.path else ""
    return FoundShown(summary=sign.summary, url=url)


def _added(name: str) -> verbs.RuleState:
    found = [rule for rule in verbs.rules() if rule.added and rule.name == name]
    if not found:
        raise Http404(_("Nobody has added a rule %(name)s.") % {"name": name})
    return found[0]


def _at() -> str:
    where: str = reverse("holdfast:alerts")
    return where
