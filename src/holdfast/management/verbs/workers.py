"""Show each live worker: what it serves, and whether it takes jobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast.ledger.reads.worker_reads import LiveWorker, workers
from holdfast.management.terminal import Terminal

HEADS = ("worker", "pid", "pool", "slots", "queues", "state", "heard")


def add_arguments(parser: CommandParser) -> None:
    """Take how to print it."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if a worker is stalled, or none lives"
    )


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print the workers whose lease stands.

    Raises:
        CommandError: with `--check`, if one of them is stalled, or there is none.
    """
    found = workers()
    if options["json"]:
        terminal.json([asdict(worker) | {"state": worker.state} for worker in found])
    else:
        terminal.table(HEADS, [_row(worker) for worker in found])
    stalled = [worker.name for worker in found if worker.state == "stalled"]
    if options["check"] and stalled:
        raise CommandError(f"{len(stalled)} workers are stalled: {', '.join(stalled)}")
    if options["check"] and not found:
        raise CommandError("No worker lives: start one")


def _row(worker: LiveWorker) -> tuple[str, ...]:
    heard = worker.heard_seconds
    return (
        worker.name,
        str(worker.pid),
        worker.pool,
        str(worker.slots),
        ", ".join(worker.queues),
        worker.state.upper() if worker.state == "stalled" else worker.state,
        "" if heard is None else f"{heard:.0f} s ago",
    )
