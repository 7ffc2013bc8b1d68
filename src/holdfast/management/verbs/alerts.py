"""Show alerts, rules and messages; add rules, mute, switch, test a channel; watch without a worker."""

from __future__ import annotations

import signal
import threading
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast import alerts
from holdfast.alerts import stated
from holdfast.exceptions import ConfigurationError
from holdfast.management import alert_words
from holdfast.management.actors import add_actor
from holdfast.management.terminal import Terminal
from holdfast.management.words import choice

_HELPS = {
    "list": "what is wrong now, and what has recovered of late",
    "rules": "the rules, and what was said of them at run time",
    "messages": "the latest messages, and what became of them",
    **alert_words.HELPS,
    "mute": "tell nobody of what a rule finds for some hours",
    "unmute": "tell of it again",
    "off": "switch a rule off",
    "on": "switch it on again",
    "test": "send a message that says that a channel works",
    "watch": "look and tell in this process, beside workers and schedulers, until it is ended",
}


def add_arguments(parser: CommandParser) -> None:
    """Take what is to be done."""
    words = choice(parser, _HELPS, dest="alerts")
    for word in ("list", "rules", "messages"):
        words[word].add_argument("--json", action="store_true", help="print JSON")
    words["list"].add_argument("--firing", action="store_true", help="only what is wrong now")
    for word in ("mute", "unmute", "on", "off"):
        words[word].add_argument("rule", help="name of the rule")
        words[word].add_argument("--reason", default="", help="why, for the audit")
        add_actor(words[word])
    alert_words.add_arguments(words)
    words["mute"].add_argument("--hours", type=float, default=1.0, help="how long (%(default)s)")
    words["test"].add_argument("channel", nargs="?", help="one channel; all of them if left out")
    add_actor(words["test"])
    words["watch"].add_argument("--once", action="store_true", help="look once, and end")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Do it.

    Raises:
        CommandError: what is asked cannot be done, or a channel did not take its message.
    """
    _RUNS[options["alerts"]](options, terminal)


def _list(options: dict[str, Any], terminal: Terminal) -> None:
    found = alerts.listed(firing=options["firing"])
    if options["json"]:
        terminal.json([asdict(row) for row in found])
    elif not found:
        terminal.say("No alerts." if stated.current().is_on else _OFF)
    else:
        heads = ["STATE", "SEVERITY", "RULE", "SINCE", "WHAT"]
        rows = [[r.state, r.severity, r.rule, _time(r.since), r.summary] for r in found]
        terminal.table(heads, rows)


def _rules(options: dict[str, Any], terminal: Terminal) -> None:
    found = alerts.rules()
    if options["json"]:
        terminal.json([asdict(rule) for rule in found])
    elif not found:
        terminal.say(_OFF)
    else:
        heads = ["RULE", "FROM", "SEVERITY", "LOOKS FOR", "TELLS", "FIRING", "NOW"]
        rows = [
            [
                r.name,
                "added" if r.added else "settings",
                r.severity,
                f"{r.when}: {r.about}",
                ", ".join(r.to),
                r.firing,
                _now(r),
            ]
            for r in found
        ]
        terminal.table(heads, rows)
        for rule in found:
            if rule.problem:
                terminal.say(f"{rule.name}: {rule.problem}")
        if not stated.current().is_on:
            terminal.say(_OFF)


def _messages(options: dict[str, Any], terminal: Terminal) -> None:
    found = alerts.latest()
    if options["json"]:
        terminal.json([asdict(row) for row in found])
    else:
        rows = [[_time(r.made_at), r.channel, _became(r), r.body.get("title", "")] for r in found]
        terminal.table(["MADE", "CHANNEL", "BECAME", "TITLE"], rows)


def _mute(options: dict[str, Any], terminal: Terminal) -> None:
    hours = options.get("hours") or 0.0
    try:
        alerts.mute(options["rule"], hours=hours, actor=options["actor"], reason=options["reason"])
    except ValueError as error:
        raise CommandError(str(error)) from None
    what = f"muted for {hours:g} h" if hours else "not muted any more"
    terminal.say(f"Rule {options['rule']} is {what}.")


def _switch(options: dict[str, Any], terminal: Terminal) -> None:
    on = options["alerts"] == "on"
    alerts.switch(options["rule"], on=on, actor=options["actor"], reason=options["reason"])
    terminal.say(f"Rule {options['rule']} is {'on' if on else 'off'}.")


def _test(options: dict[str, Any], terminal: Terminal) -> None:
    # Settings that cannot be followed are no channel's fault: what is raised here names the key and its repair.
    alerting = stated.current()
    names = [options["channel"]] if options["channel"] else list(alerting.channels)
    if not names:
        raise CommandError(_OFF)
    failed, wrong = [], []
    for name in names:
        try:
            said = alerts.test(name, actor=options["actor"])
        except alerts.AlertNotFound:
            raise
        except ConfigurationError as error:
            wrong.append(str(error))
            terminal.say(f"{name}: NOT SENT: its settings cannot be followed")
        except Exception as error:  # noqa: BLE001  # whatever it is, the other channels are tried
            failed.append(name)
            terminal.say(f"{name}: NOT SENT: {error}")
        else:
            terminal.say(f"{name}: sent ({said})")
    if failed:
        wrong.append(f"Not sent: {', '.join(failed)}. Look at the address and the key.")
    if wrong:
        raise CommandError("\n".join(wrong))


def _watch(options: dict[str, Any], terminal: Terminal) -> None:
    from holdfast.alerts.watching import Watch

    if not stated.current().is_on:
        raise CommandError(_OFF)
    watch = Watch()
    if options["once"]:
        watch.one_pass()
        watch.stop()
        return
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    watch.start()
    terminal.say("Watching.")
    ended.wait()
    watch.stop()


_OFF = "No rules or no channels: HOLDFAST['alerts'] says what is looked for and who is told."
_RUNS = {
    "list": _list,
    "rules": _rules,
    "messages": _messages,
    "mute": _mute,
    "unmute": _mute,
    "on": _switch,
    "off": _switch,
    "test": _test,
    "watch": _watch,
    **dict.fromkeys(alert_words.HELPS, alert_words.run),
}


def _now(rule: alerts.RuleState) -> str:
    muted = f"muted until {_time(rule.muted_until)}" if rule.muted_until else ""
    return " ".join(filter(None, ["" if rule.on else "off", muted])) or "on"


def _became(message: alerts.NoticeRow) -> str:
    if message.sent_at is not None:
        return f"sent {_time(message.sent_at)}"
    return message.error or "waits"


def _time(moment: Any) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
