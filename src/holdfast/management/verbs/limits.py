"""Show what limits allow, who is in and who waits; set a limit for the whole cluster, or let the code's hold again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast import limits
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.limits import LimitState
from holdfast.management.actors import add_actor
from holdfast.management.terminal import Terminal

_NUMBERS = ("concurrency", "per_key", "burst")


def add_arguments(parser: CommandParser) -> None:
    """Take nothing to show all, a name to show one, or what is to be done with one."""
    parser.add_argument("name", nargs="?", help="one limit; all of them if left out")
    parser.add_argument("--set", action="store_true", help="change what it allows, until --reset")
    parser.add_argument("--reset", action="store_true", help="let hold again what the code says")
    for name in _NUMBERS:
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, dest=name, metavar="N", help="a whole number, or 'none'")
    parser.add_argument("--rate", metavar="N/s", help="such as 100/m, or 'none'")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_actor(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Show, set or reset.

    Raises:
        CommandError: what is to be set, or of which limit, is not said.
    """
    changes = {
        key: _value(key, options[key]) for key in (*_NUMBERS, "rate") if options[key] is not None
    }
    name, changing = options["name"], options["set"] or options["reset"]
    if changing and not name:
        raise CommandError("Of which limit? Give its name; `limits` alone shows them.")
    if options["set"] != bool(changes) or (options["set"] and options["reset"]):
        raise CommandError(
            "Say --set with --concurrency, --per-key, --rate or --burst; or --reset alone."
        )
    if options["set"]:
        found = [limits.set(name, actor=options["actor"], **changes)]
    elif options["reset"]:
        found = [limits.reset(name, actor=options["actor"])]
    else:
        found = [limits.get(name)] if name else limits.all()
    _show(found, options, terminal)


def _show(found: list[LimitState], options: dict[str, Any], terminal: Terminal) -> None:
    if options["json"]:
        terminal.json([limits.as_dict(state) for state in found])
    elif not found:
        terminal.say("There is no limit. Give a task limit=holdfast.Limit(name, ...).")
    else:
        heads = ["LIMIT", "CONCURRENCY", "PER KEY", "RATE", "BURST", "TAKEN", "WAITING", "SAID BY"]
        terminal.table(heads, [_row(state) for state in found])


def _row(state: LimitState) -> list[Any]:
    bounds: Bounds = state.bounds
    said_by = "set at run time" if state.is_set else "code"
    burst = bounds.bucket if bounds.rate else None
    return [
        state.name,
        bounds.concurrency,
        bounds.per_key,
        bounds.rate,
        burst,
        state.taken,
        state.waiting,
        said_by,
    ]


def _value(key: str, text: str) -> Any:
    if text.lower() == "none":
        return None
    if key == "rate":
        return text
    try:
        return int(text)
    except ValueError:
        raise CommandError(
            f"--{key.replace('_', '-')} {text!r} is no whole number, nor 'none'."
        ) from None
