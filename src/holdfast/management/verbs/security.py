"""Print the messages that were not ours: forged, altered, unsigned, or no messages at all."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from holdfast.ledger import security
from holdfast.management.moments import moment
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take how far back to look."""
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="seen since then: 2026-01-31T12:00, 90m, 6h, 2d",
    )
    parser.add_argument("--limit", type=int, default=50, help="print so many lines (50)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print what workers have noted, the newest first."""
    found = security.lines(since=options["since"], limit=options["limit"])
    if options["json"]:
        terminal.json([asdict(line) for line in found])
        return
    if not found:
        terminal.say("No message was refused or suspected.")
        return
    heads = ("last seen", "what", "count", "queue", "says it is", "job", "became of it")
    terminal.table(
        heads,
        [
            (
                line.last_at,
                line.kind,
                line.count,
                line.queue,
                line.task,
                line.job,
                "run" if line.accepted else "refused",
            )
            for line in found
        ],
    )
