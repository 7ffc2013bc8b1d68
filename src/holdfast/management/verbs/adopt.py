"""Say what a project that runs plain Celery has to change for Holdfast, what it gains, and how to roll it out."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast.adoption import command
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take the project, and how to print it."""
    command.add_arguments(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print what was read; where Holdfast is not installed yet, `python -m holdfast.adoption` says the same.

    Raises:
        CommandError: there is no such folder.
    """
    try:
        said = command.answer(path=options["path"], as_json=options["json"], patch=options["patch"])
    except NotADirectoryError as error:
        raise CommandError(f"there is no folder {error}") from error
    terminal.say(said)
