"""Say what is wrong with the project and its services, what it leads to, and how to mend it."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser

from holdfast.doctor import command
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take what is looked at, and how it is told."""
    command.add_arguments(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Examine, print, and exit with 1 if there are errors.

    Raises:
        SystemExit: there is something that counts.
    """
    status = command.answer(
        options, say=terminal.say, remark=terminal.remark, colourful=terminal.colourful
    )
    if status:
        sys.exit(status)
