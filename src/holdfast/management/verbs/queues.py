"""Show each queue: what waits, since when, what runs, and which workers serve it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

import holdfast
from holdfast.ledger.reads.queue_reads import Queue
from holdfast.management.terminal import Terminal

HEADS = ("queue", "waiting", "by priority", "oldest", "running", "held", "workers")


def add_arguments(parser: CommandParser) -> None:
    """Take how to print it."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if jobs wait where no worker takes them"
    )


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print the queues, and name those that no live worker serves.

    Raises:
        CommandError: with `--check`, if there is such a queue.
    """
    found = holdfast.queues()
    if options["json"]:
        terminal.json([asdict(queue) | {"unserved": queue.unserved} for queue in found])
    else:
        terminal.table(HEADS, [_row(queue) for queue in found])
    unserved = [queue.name for queue in found if queue.unserved]
    for name in unserved:
        terminal.remark(f"No live worker serves the queue {name!r}: its jobs wait for one.")
    if unserved and options["check"]:
        raise CommandError(f"{len(unserved)} queues are not served: {', '.join(unserved)}")


def _row(queue: Queue) -> tuple[str, ...]:
    by_priority = " ".join(f"{priority}:{count}" for priority, count in queue.waiting.items())
    return (
        queue.name,
        f"{'more than ' if queue.more else ''}{queue.total}",
        by_priority if set(queue.waiting) - {0} else "",
        "" if queue.oldest_seconds is None else f"{queue.oldest_seconds:.0f} s",
        str(queue.running),
        str(queue.held),
        ", ".join(queue.workers) or ("NONE" if queue.unserved else ""),
    )
