"""Who stands at the terminal, for the audit."""

from __future__ import annotations

import getpass
import socket

from django.core.management.base import CommandParser


def add_actor(parser: CommandParser) -> None:
    """Let the caller say who acts; by default the user of this machine."""
    parser.add_argument(
        "--actor", default=here(), metavar="NAME", help="who does it, for the audit (%(default)s)"
    )


def here() -> str:
    """Return user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
