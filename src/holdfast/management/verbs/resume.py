"""Let a paused queue or task go on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

import holdfast
from holdfast.management.actors import add_actor
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take a queue or a task."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--queue", metavar="NAME")
    which.add_argument("--task", metavar="NAME")
    add_actor(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Resume it, and say what became of it.

    Raises:
        CommandError: it is not said which.
    """
    what = {kind: options[kind] for kind in ("queue", "task") if options[kind] is not None}
    if not what:
        raise CommandError("What? Say --queue or --task; `pause` alone shows what is paused.")
    ended = holdfast.resume(actor=options["actor"], **what)
    said = "goes on" if ended else "was not paused"
    ((kind, name),) = what.items()
    terminal.say(f"{kind} {name} {said}")
