"""Show how much waits in each queue and how many workers it should have, for whatever starts and ends workers."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast.ledger.reads import queue_reads
from holdfast.management.terminal import Terminal
from holdfast.policies.scaling import desired_workers

HEADS = ("queue", "waiting", "oldest", "running", "workers", "desired workers")


def add_arguments(parser: CommandParser) -> None:
    """Take the queues, and how to print it."""
    parser.add_argument("queues", nargs="*", metavar="QUEUE", help="these queues alone")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    parser.add_argument(
        "--desired",
        action="store_true",
        help="print one number: the workers that all these queues together should have",
    )


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print what waits. A queue that is named is told of, whether it has jobs or not."""
    if options["json"] and options["desired"]:
        raise CommandError("--json and --desired are two ways to print it: give one of them.")
    named = options["queues"]
    found = (
        [queue_reads.queue(name) for name in dict.fromkeys(named)]
        if named
        else queue_reads.queues(held=False)
    )
    desired = {queue.name: desired_workers(queue) for queue in found}
    if options["desired"]:
        terminal.say(str(sum(desired.values())))
    elif options["json"]:
        terminal.json(
            {
                "desired_workers": sum(desired.values()),
                "queues": {
                    queue.name: {
                        "waiting": queue.total,
                        "more": queue.more,
                        "oldest_seconds": queue.oldest_seconds,
                        "running": queue.running,
                        "workers": queue.workers,
                        "desired_workers": desired[queue.name],
                    }
                    for queue in found
                },
            }
        )
    else:
        terminal.table(HEADS, [_row(queue, desired[queue.name]) for queue in found])


def _row(queue: queue_reads.Queue, desired: int) -> tuple[str, ...]:
    return (
        queue.name,
        f"{'more than ' if queue.more else ''}{queue.total}",
        "" if queue.oldest_seconds is None else f"{queue.oldest_seconds:.0f} s",
        str(queue.running),
        str(len(queue.workers)),
        str(desired),
    )
