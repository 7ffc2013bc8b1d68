"""Rules of alerts in the terminal: what is added, changed, removed and tried there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast import alerts
from holdfast.alerts import stated
from holdfast.ledger.alert_kinds import SEVERITIES
from holdfast.management.actors import add_actor
from holdfast.management.terminal import Terminal
from holdfast.management.words import nearest

HELPS = {
    "add": "add a rule, beside those of the settings",
    "change": "let a rule that was added say something else",
    "remove": "remove a rule that was added; what it told is taken back",
    "preview": "what a rule would say now; nobody is told",
}
_LISTED = 20


def add_arguments(words: Mapping[str, CommandParser]) -> None:
    """Take the rule and what it says."""
    words["add"].add_argument(
        "when", choices=list(stated.KINDS), metavar="WHEN", help=", ".join(stated.KINDS)
    )
    words["add"].add_argument("--name", help="name of the rule; else its kind and what it is about")
    for word in ("change", "remove", "preview"):
        words[word].add_argument("rule", help="name of the rule")
    for word in ("add", "change"):
        parser = words[word]
        parser.add_argument(
            "asks", nargs="*", metavar="WORD=VALUE", help="as in the settings: queue=mail above=60"
        )
        parser.add_argument("--severity", choices=SEVERITIES)
        parser.add_argument(
            "--to", action="append", metavar="CHANNEL", help="whom it tells; all if left out"
        )
        parser.add_argument(
            "--for", type=float, dest="for_seconds", metavar="SECONDS", help="before it is told"
        )
        parser.add_argument(
            "--clear", type=float, dest="clear_seconds", metavar="SECONDS", help="before it is over"
        )
        parser.add_argument(
            "--try", action="store_true", dest="only_try", help="only show what it would say now"
        )
    for word in ("add", "change", "remove"):
        add_actor(words[word])
    words["preview"].add_argument("--json", action="store_true", help="print JSON")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Do it.

    Raises:
        CommandError: what is asked cannot be done.
    """
    _RUNS[options["alerts"]](options, terminal)


def _add(options: dict[str, Any], terminal: Terminal) -> None:
    said = _said({"when": options["when"]}, options)
    if options["name"]:
        said["name"] = options["name"]
    if options["only_try"]:
        _show(said, terminal)
        return
    name = alerts.add_rule(said, actor=options["actor"])
    terminal.say(f"Rule {name} is added. Whoever looks has it at the next look.")


def _change(options: dict[str, Any], terminal: Terminal) -> None:
    before = _state(options["rule"])
    said = _said(before.said, options)
    if options["only_try"]:
        _show({**said, "name": before.name}, terminal)
        return
    alerts.change_rule(before.name, said, actor=options["actor"])
    terminal.say(f"Rule {before.name} is changed.")


def _remove(options: dict[str, Any], terminal: Terminal) -> None:
    alerts.remove_rule(options["rule"], actor=options["actor"])
    terminal.say(f"Rule {options['rule']} is removed.")


def _preview(options: dict[str, Any], terminal: Terminal) -> None:
    rule = _state(options["rule"])
    _show({**rule.said, "name": rule.name}, terminal, json=options["json"])


def _show(said: Mapping[str, Any], terminal: Terminal, *, json: bool = False) -> None:
    found = alerts.preview(said)
    if json:
        terminal.json(asdict(found))
        return
    if not found.found:
        terminal.say("It finds nothing now.")
        return
    late = f", once it has been so for {found.for_seconds:g} s" if found.for_seconds else ""
    terminal.say(f"To {', '.join(found.to) or 'nobody'}{late}: {found.title}")
    for sign in found.found[:_LISTED]:
        terminal.say(f"  {sign.summary}")
    if len(found.found) > _LISTED:
        terminal.say(f"  ... and {len(found.found) - _LISTED} more")


def _said(before: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a rule says by the words of the command line, beside what it said before."""
    said = {**before, **_asks(str(before.get("when", "")), options["asks"])}
    for key in ("severity", "for_seconds", "clear_seconds", "to"):
        if options[key] is not None:
            said[key] = options[key]
    return said


def _asks(when: str, words: Sequence[str]) -> dict[str, Any]:
    known = stated.KINDS.get(when, {})
    asks: dict[str, Any] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or key not in known:
            near = nearest(key, known)
            hint = f"did you mean {near}=...?" if near else f"it takes {', '.join(known)}"
            raise CommandError(f"{word!r} means nothing to a rule of kind {when}: {hint}")
        asks[key] = value if isinstance(known[key], str) else _number(key, value)
    return asks


def _number(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise CommandError(f"{key}={value}: it must be a number") from None


def _state(name: str) -> alerts.RuleState:
    found = [rule for rule in alerts.rules() if rule.name == name]
    if not found:
        known = ", ".join(rule.name for rule in alerts.rules()) or "none"
        raise CommandError(f"There is no rule {name!r}; there are: {known}.")
    # Of two of one name the one of the settings holds, and the added one is what can be changed.
    return found[-1]


_RUNS = {"add": _add, "change": _change, "remove": _remove, "preview": _preview}
