"""Stop a queue, a task or a schedule in the whole cluster; what runs, runs to its end."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

import holdfast
from holdfast.management.actors import add_actor
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take a queue, a task or a schedule; nothing shows what is paused."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--queue", metavar="NAME")
    which.add_argument("--task", metavar="NAME")
    which.add_argument("--schedule", metavar="NAME")
    parser.add_argument("--reason", default="", help="shown to whoever asks why nothing runs")
    add_actor(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Pause it, and say what became of it."""
    kinds = ("queue", "task", "schedule")
    what = {kind: options[kind] for kind in kinds if options[kind] is not None}
    if not what:
        rows = [[p.kind, p.name, p.at, p.by, p.reason] for p in holdfast.pauses()]
        terminal.table(["KIND", "NAME", "SINCE", "BY", "REASON"], rows)
        return
    new = holdfast.pause(actor=options["actor"], reason=options["reason"], **what)
    said = "is paused" if new else "was paused before"
    ((kind, name),) = what.items()
    terminal.say(f"{kind} {name} {said}")
