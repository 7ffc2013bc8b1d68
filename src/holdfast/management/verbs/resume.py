"""Let a paused queue, task or schedule go on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

import holdfast
from holdfast.management.actors import add_actor
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take a queue, a task or a schedule."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--queue", metavar="NAME")
    which.add_argument("--task", metavar="NAME")
    which.add_argument("--schedule", metavar="NAME")
    parser.add_argument("--reason", default="", help="for the audit")
    add_actor(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Resume it, and say what became of it.

    Raises:
        CommandError: it is not said which.
    """
    kinds = ("queue", "task", "schedule")
    what = {kind: options[kind] for kind in kinds if options[kind] is not None}
    if not what:
        raise CommandError(
            "What? Say --queue, --task or --schedule; `pause` alone shows what is paused."
        )
    ended = holdfast.resume(actor=options["actor"], reason=options["reason"], **what)
    said = "goes on" if ended else "was not paused"
    ((kind, name),) = what.items()
    terminal.say(f"{kind} {name} {said}")
