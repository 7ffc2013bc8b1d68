"""Alerts: what needs somebody now, told to the people who can do something, once, and taken back when it is over.

Rules and channels stand in HOLDFAST["alerts"], and rules can be added at run time; the functions here show how things
stand, add, change and remove rules, mute, switch and test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from holdfast.alerts import stated as _stated
from holdfast.alerts.adding import Preview, add_rule, change_rule, preview, remove_rule
from holdfast.alerts.errors import AlertNotFound, NotSent, RuleRefused
from holdfast.alerts.standing import read_added as _read_added
from holdfast.ledger import alert_rules as _rules
from holdfast.ledger import alerts as _ledger
from holdfast.ledger.alert_rules import Switch
from holdfast.ledger.alerts import AlertRow, NoticeRow

__all__ = [
    "AlertNotFound",
    "AlertRow",
    "NotSent",
    "NoticeRow",
    "Preview",
    "RuleRefused",
    "RuleState",
    "add_rule",
    "change_rule",
    "latest",
    "listed",
    "mute",
    "mute_alert",
    "now",
    "preview",
    "remove_rule",
    "rules",
    "switch",
    "test",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """One rule, and what was said of it at run time."""

    name: str
    when: str
    severity: str
    to: list[str]
    about: str
    """What it looks for, in words."""
    added: bool
    """Whether somebody has added it at run time; else it is one of the settings."""
    problem: str
    """Why it cannot be followed, or whom it cannot tell, with the repair; empty if all is well."""
    said: dict[str, Any]
    """What it says, complete."""
    on: bool
    muted_until: datetime | None
    by: str
    """Who said so."""
    reason: str
    firing: int


def listed(*, firing: bool = False) -> list[AlertRow]:
    """Return the alerts that there are, or those that fire; what fires first. One statement."""
    return _ledger.alerts(firing=firing)


def now() -> datetime:
    """Return the time by which all of it is said: the database's."""
    return _ledger.now()


def rules() -> list[RuleState]:
    """Return the rules of the settings, in their order, and those that were added, by name; three statements.

    Raises:
        ConfigurationError: the settings cannot be followed.
    """
    alerting = _stated.current()
    switches = _rules.switches()
    firing = [row.rule for row in _ledger.alerts(firing=True)]
    found = [
        _state(rule, switches.get(rule.name, Switch()), firing.count(rule.name), _words(rule))
        for rule in alerting.rules
    ]
    for one in _read_added(alerting, _rules.added()):
        said = one.row.said
        rule = one.rule or _stated.Rule(
            name=one.row.name,
            when=str(said.get("when", "")),
            asks={},
            severity=str(said.get("severity", "warning")),
        )
        hidden = one.rule is None
        state = _state(rule, one.row.switch, 0 if hidden else firing.count(rule.name), said)
        found.append(replace(state, added=True, problem=one.problem))
    return found


def mute(rule: str, *, hours: float, actor: str, reason: str = "") -> None:
    """Tell nobody of what a rule finds for so many hours; 0 ends that. What still fires afterwards is told then.

    What was told before is still taken back when it is over.

    Raises:
        AlertNotFound: there is no such rule.
        ValueError: `hours` is negative, or more than a year.
    """
    action = "mute alert rule" if hours else "unmute alert rule"
    _say_of(rule, action, actor=actor, reason=reason, mute=_length(hours))


def switch(rule: str, *, on: bool, actor: str, reason: str = "") -> None:
    """Switch a rule off, or on again; what fires by it recovers at the next look.

    Raises:
        AlertNotFound: there is no such rule.
    """
    action = "switch alert rule on" if on else "switch alert rule off"
    _say_of(rule, action, actor=actor, reason=reason, off=not on)


def mute_alert(id: int, *, hours: float, actor: str) -> None:
    """Tell nobody of one alert for so many hours; 0 ends that.

    Raises:
        AlertNotFound: there is no such alert.
        ValueError: `hours` is negative, or more than a year.
    """
    if not _ledger.mute_alert(id, actor=actor, mute=_length(hours)):
        raise AlertNotFound(f"There is no alert {id}. `manage.py holdfast alerts list` shows them.")


def test(channel: str, *, actor: str) -> str:
    """Send a message that says that a channel works, from this process and at once; return what was answered.

    Raises:
        AlertNotFound: there is no such channel.
        ConfigurationError: the settings cannot be followed, or need a library that is not installed.
        NotSent: it was not taken, with what was answered.
    """
    from holdfast.alerts import notices, sending

    alerting = _stated.current()
    found = alerting.channels.get(channel)
    if found is None:
        known = ", ".join(alerting.channels) or "none"
        raise AlertNotFound(f"There is no channel {channel!r} in the settings; there are: {known}.")
    body = notices.test_message(alerting, found, by=actor, at=_ledger.now())
    id = _ledger.add_notice(f"test:{uuid4().hex}", channel, body)
    row = None if id is None else _ledger.notice(id)
    if row is None:
        raise AlertNotFound("The message is gone before it was sent.")
    return sending.deliver(row)


def latest(*, limit: int = 50) -> list[NoticeRow]:
    """Return the latest messages, with what became of them."""
    return _ledger.latest_notices(limit=limit)


def _said(when: str, key: str, value: Any) -> str:
    if key == "above":
        return f"above {value:.4g}" if when == "failure_rate" else f"above {value:g} s"
    return f"{key} {value:g}" if isinstance(value, int | float) else f"{key} {value}"


def _words(rule: _stated.Rule) -> dict[str, Any]:
    times = {"for_seconds": rule.for_seconds, "clear_seconds": rule.clear_seconds}
    return {"when": rule.when, **rule.asks, "severity": rule.severity, **times, "to": list(rule.to)}


def _state(rule: _stated.Rule, said: Switch, firing: int, words: dict[str, Any]) -> RuleState:
    asks = ((key, value) for key, value in rule.asks.items() if value != "")
    return RuleState(
        name=rule.name,
        when=rule.when,
        severity=rule.severity,
        to=list(rule.to),
        about=", ".join(_said(rule.when, key, value) for key, value in asks),
        added=False,
        problem="",
        said=words,
        on=not said.off,
        muted_until=said.muted_until,
        by=said.by,
        reason=said.reason,
        firing=firing,
    )


def _say_of(rule: str, action: str, **said: Any) -> None:
    stated = [one.name for one in _stated.current().rules]
    if not _rules.say_of(rule, action, added=rule not in stated, **said):
        known = [*stated, *(row.name for row in _rules.added())]
        raise AlertNotFound(f"There is no rule {rule!r}; there are: {', '.join(known) or 'none'}.")


def _length(hours: float) -> timedelta | None:
    if not 0 <= hours <= 8784:
        raise ValueError(f"hours is {hours!r}: it must be from 0 to 8784, a year")
    return timedelta(hours=hours) if hours else None
