"""What a rule of alerts may say, as a form: its fields are those of its kind, with the settings' words and defaults."""

from __future__ import annotations

import difflib
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from holdfast.alerts import stated
from holdfast.exceptions import ConfigurationError

# By kind: its name, and what it is told of.
KINDS = {
    "dead_letter": (
        _("Dead letters"),
        _("Jobs became dead letters in the last minutes: one alert for each task and cause."),
    ),
    "failure_rate": (_("Share of failures"), _("Too large a share of the jobs that ended failed.")),
    "wait": (_("Waits"), _("One job in twenty waits too long for a worker.")),
    "oldest": (_("Oldest job"), _("The oldest job of a queue has waited too long.")),
    "missed": (_("Missed due times"), _("A schedule missed due times, or could not fire.")),
    "worker": (
        _("Workers"),
        _("A worker is frozen, takes nothing though there is work, or was lost and is not back."),
    ),
    "unserved": (_("Unserved queues"), _("Jobs wait in a queue that no live worker takes.")),
    "finding": (_("Findings of the doctor"), _("The doctor finds something.")),
}
_PATTERN = _("A pattern as in a shell: * is all of them.")
_SHARE = _("A share of one: 0.1 is one job in ten.")
# What is chosen first is the default.
_SEVERITIES = (("warning", _("warning")), ("critical", _("critical")))
_LEVELS = (
    ("error", _("errors")),
    ("warning", _("errors and warnings")),
    ("info", _("all findings")),
)
# What a browser sends beside the fields.
_AROUND = {"csrfmiddlewaretoken", "next", "look", "change"}


class RuleForm(forms.Form):
    """What a rule looks for, how bad it is, and who is told; what is left out has the default of its kind."""

    when = forms.ChoiceField(
        choices=[(kind, title) for kind, (title, _says) in KINDS.items()], widget=forms.HiddenInput
    )
    name = forms.CharField(
        required=False,
        max_length=100,
        label=_("Name"),
        help_text=_("If left out: its kind and what it is about."),
    )
    task = forms.CharField(required=False, max_length=255, label=_("Task"), help_text=_PATTERN)
    queue = forms.CharField(required=False, max_length=255, label=_("Queue"), help_text=_PATTERN)
    schedule = forms.CharField(
        required=False, max_length=255, label=_("Schedule"), help_text=_PATTERN
    )
    worker = forms.CharField(required=False, max_length=255, label=_("Worker"), help_text=_PATTERN)
    id = forms.CharField(required=False, max_length=50, label=_("Finding"), help_text=_PATTERN)
    level = forms.ChoiceField(required=False, choices=_LEVELS, label=_("Which findings"))
    above = forms.FloatField(required=False, min_value=0.0, label=_("More than so many seconds"))
    least = forms.IntegerField(
        required=False,
        min_value=1,
        label=_("Of so many jobs at least"),
        help_text=_("Fewer say nothing."),
    )
    minutes = forms.FloatField(
        required=False, min_value=0.1, label=_("In the last so many minutes")
    )
    severity = forms.ChoiceField(required=False, choices=_SEVERITIES, label=_("Severity"))
    to = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Tells"),
        help_text=_("All channels if none is chosen, those of later too."),
    )
    for_seconds = forms.FloatField(
        required=False,
        min_value=0.0,
        initial=0,
        label=_("Seconds that it must be so before it is told"),
    )
    clear_seconds = forms.FloatField(
        required=False,
        min_value=0.0,
        initial=60,
        label=_("Seconds that it must be over before that is told"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channels: Any = self.fields["to"]
        channels.choices = [(name, name) for name in _channels()]
        kind = (self.data if self.is_bound else self.initial).get("when")
        asks = stated.KINDS.get(str(kind))
        if asks is None:
            return
        for name in {key for every in stated.KINDS.values() for key in every} - asks.keys():
            del self.fields[name]
        for name, default in asks.items():
            self.fields[name].initial = default
        if kind == "failure_rate":
            self.fields["above"].label = _("More than this share")
            self.fields["above"].help_text = _SHARE
            # Of a task or of a queue: nothing means all.
            self.fields["task"].help_text = self.fields["queue"].help_text = _(
                "A pattern, * for each of them; nothing for all together. Say one of the two."
            )

    def clean(self) -> dict[str, Any]:
        """Refuse words that mean nothing here: a slip of the pen would be the default unnoticed."""
        for name in set(self.data) - set(self.fields) - _AROUND:
            near = difflib.get_close_matches(name, list(self.fields), n=1)
            known = near[0] if near else ", ".join(self.fields)
            self.add_error(
                None,
                gettext("%(name)s means nothing to this kind of rule; it takes: %(known)s.")
                % {"name": name, "known": known},
            )
        return dict(self.cleaned_data)


class ChangeForm(RuleForm):
    """The same for a rule that is there: its name stays."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["name"]


def said(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what a form was filled in with as the words of a rule."""
    return {key: value for key, value in asked.items() if value not in (None, "", [])}


def _channels() -> list[str]:
    try:
        return list(stated.current().channels)
    except ConfigurationError:
        return []
