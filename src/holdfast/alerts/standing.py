"""All rules that are looked at: those of the settings, and those that people have added in the console or the terminal.

Those of the settings hold: what was added under the name of one of them rests. What cannot be followed is kept, shown
with its reason, and not looked at; what it had found stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from holdfast.alerts.stated import WHERE, Alerting, Rule, read_rule
from holdfast.exceptions import ConfigurationError
from holdfast.ledger import alert_rules
from holdfast.ledger.alert_rules import AddedRow, Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A rule that somebody has added, as it can be followed now."""

    row: AddedRow
    rule: Rule | None
    """None: it cannot be followed, and is not looked at."""
    problem: str
    """What is wrong with it, and the repair; empty if nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The rules that are looked at, and what was said of them."""

    rules: tuple[Rule, ...]
    switches: dict[str, Switch]
    resting: frozenset[str]
    """Names of those that cannot be followed: of what they had found nothing is known."""

    def switch(self, name: str) -> Switch:
        """Return what was said of a rule."""
        return self.switches.get(name, _NOTHING)


_NOTHING = Switch()


def standing(alerting: Alerting, *, lock: bool = False) -> Standing:
    """Return what holds now: two statements.

    With `lock` no added rule is changed or removed before the transaction that is open ends.
    """
    added = read_added(alerting, alert_rules.added(lock=lock))
    rules = (*alerting.rules, *(one.rule for one in added if one.rule is not None))
    names = {rule.name for rule in rules}
    return Standing(
        rules=rules,
        switches=alert_rules.switches()
        | {one.row.name: one.row.switch for one in added if one.rule is not None},
        resting=frozenset(one.row.name for one in added) - names,
    )


def read_added(alerting: Alerting, rows: Iterable[AddedRow]) -> list[Added]:
    """Read rules that were added, against the settings of this process."""
    taken = {rule.name for rule in alerting.rules}
    return [_read(alerting, row, taken) for row in rows]


def _read(alerting: Alerting, row: AddedRow, taken: set[str]) -> Added:
    if row.name in taken:
        problem = (
            f"{WHERE}['rules'] has a rule of this name, and that one holds. Remove this one, or give that one "
            "another 'name'."
        )
        return Added(row=row, rule=None, problem=problem)
    asked = row.said.get("to")
    to = None if asked is None else [name for name in asked if name in alerting.channels]
    said: dict[str, Any] = {**row.said, "name": row.name}
    said |= {} if to is None else {"to": to}
    try:
        rule = read_rule(said, alerting.channels)
    except ConfigurationError as error:
        problem = f"This process cannot follow it: {error}. Change it, or remove it."
        return Added(row=row, rule=None, problem=problem)
    return Added(row=row, rule=rule, problem=_unreached(asked or (), to or ()))


def _unreached(asked: Iterable[str], to: Iterable[str]) -> str:
    gone = [name for name in asked if name not in to]
    if not gone:
        return ""
    words = ", ".join(repr(name) for name in gone)
    left = "the others are told" if to else "nobody is told until one of them is back"
    return f"{WHERE}['channels'] does not have {words} any more: {left}. Add it there, or change whom the rule tells."
