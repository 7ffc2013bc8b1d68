"""Rules that people add, change and remove at run time: the same words as in the settings, and the same errors.

They are rows of the ledger, so every process that watches has them at its next look. Channels, with their addresses
and keys, are said in the settings alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.alerts import notices, sending, signs
from holdfast.alerts.deciding import FIRED, Sign
from holdfast.alerts.errors import AlertNotFound, RuleRefused
from holdfast.alerts.standing import read_added
from holdfast.alerts.stated import WHERE, Alerting, Rule, current, read_rule
from holdfast.alerts.telling import take_back
from holdfast.exceptions import ConfigurationError
from holdfast.ledger import alert_rules
from holdfast.ledger import alerts as ledger
from holdfast.ledger.database import atomic

COMMON = ("severity", "for_seconds", "clear_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a rule would say if it were looked at now; nothing is written, and nobody is told."""

    name: str
    title: str
    """Of the message; empty if it finds nothing."""
    found: list[Sign]
    """What is wrong now."""
    to: list[str]
    """Who would be told."""
    for_seconds: float
    """For how long it must be so before that."""


def preview(said: Mapping[str, Any]) -> Preview:
    """Look once by a rule that need not be there, at what one look costs.

    Raises:
        RuleRefused: it cannot be followed, with the repair.
    """
    alerting = current()
    rule = _read(alerting, said)
    found = signs.look(rule)
    return Preview(
        name=rule.name,
        title=notices.title(FIRED, [(sign.subject, sign.summary) for sign in found]),
        found=found,
        to=list(rule.to),
        for_seconds=rule.for_seconds,
    )


def add_rule(said: Mapping[str, Any], *, actor: str) -> str:
    """Add a rule, with a line in the audit; return its name.

    Args:
        said: the words of a rule in the settings, such as {"when": "oldest", "queue": "mail", "above": 60}.
        actor: who does it, for the audit.

    Raises:
        RuleRefused: it cannot be followed, or there is one of its name; with the repair.
    """
    alerting = current()
    rule = _read(alerting, said)
    if rule.name in {one.name for one in alerting.rules}:
        raise RuleRefused(
            f"{WHERE}['rules'] has a rule {rule.name!r}: give this one another 'name'."
        )
    if len(alert_rules.added()) >= alert_rules.MOST:
        raise RuleRefused(
            f"There are {alert_rules.MOST} added rules, and each is looked at every {alerting.every_seconds:g} s: "
            "remove one first."
        )
    if not alert_rules.add(rule.name, _whole(rule, said), actor=actor):
        raise RuleRefused(
            f"Somebody has added a rule {rule.name!r}: give this one another 'name', or change that one."
        )
    return rule.name


def change_rule(name: str, said: Mapping[str, Any], *, actor: str) -> None:
    """Let an added rule say something else under its name, with a line in the audit that has what it said before.

    What it has found and is no more found by its new words recovers at the next look.

    Raises:
        AlertNotFound: no such rule was added.
        RuleRefused: it cannot be followed, with the repair.
    """
    alerting = current()
    rule = _read(alerting, {**said, "name": name})
    if not alert_rules.change(name, _whole(rule, said), actor=actor):
        raise _unknown(alerting, name)


def remove_rule(name: str, *, actor: str) -> None:
    """Remove an added rule, with a line in the audit; what it has told is taken back where it was told.

    One transaction: what if the process dies here? The rule is there with all that it has found, or it is gone and
    its messages are kept to be sent.

    Raises:
        AlertNotFound: no such rule was added.
    """
    alerting = current()
    served = sending.is_served()
    with atomic():
        row = alert_rules.find(name)
        if row is None or not alert_rules.remove(name, actor=actor):
            raise _unknown(alerting, name)
        (one,) = read_added(alerting, [row])
        if one.rule is not None:
            rows = [alert for alert in ledger.alerts() if alert.rule == name]
            take_back(alerting, one.rule, rows, now=ledger.now(), served=served)


def _read(alerting: Alerting, said: Mapping[str, Any]) -> Rule:
    if not alerting.channels:
        raise RuleRefused(
            f"{WHERE} names no channel, so nobody looks and nobody would be told: name one in {WHERE}['channels']."
        )
    try:
        return read_rule(said, alerting.channels)
    except ConfigurationError as error:
        raise RuleRefused(f"{error}.") from error


def _whole(rule: Rule, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that a rule says: what it asks stays the same when a release has other defaults.

    Who names no channel means all there are, those of later too.
    """
    named = said.get("to") is not None
    return {
        "when": rule.when,
        **rule.asks,
        **{key: getattr(rule, key) for key in COMMON},
        **({"to": list(rule.to)} if named else {}),
    }


def _unknown(alerting: Alerting, name: str) -> AlertNotFound:
    if name in {rule.name for rule in alerting.rules}:
        return AlertNotFound(
            f"The rule {name!r} is one of the settings: change it in {WHERE}['rules']. Here it can be switched off."
        )
    known = ", ".join(repr(row.name) for row in alert_rules.added()) or "none"
    return AlertNotFound(f"Nobody has added a rule {name!r}; added are: {known}.")
