"""Cancel what waits in a queue, as it is when it is counted; what comes later, and what runs, is left alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from holdfast import operations, purging
from holdfast.management.actors import add_actor
from holdfast.management.operations import number, tell_asked, tell_trial
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take the name of a queue."""
    parser.add_argument("queue", metavar="QUEUE")
    parser.add_argument(
        "--later",
        action="store_true",
        help="those too whose time is to come: with an ETA, a countdown, or a retry that waits",
    )
    parser.add_argument("--reason", default="", help="for the audit")
    parser.add_argument(
        "--dry-run", action="store_true", help="change nothing, print how many it would be"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_actor(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Count, ask, and cancel what was counted: up to 2,000 jobs here, more by an operation of the workers."""
    queue, later = options["queue"], options["later"]
    trial = operations.try_out("purge", {"queue": queue}, later=later)
    if options["dry_run"]:
        tell_trial(trial, terminal, as_json=options["json"])
        return
    if trial.count and not options["yes"]:
        terminal.confirm(f"Cancel {number(trial)} jobs that wait in the queue {queue}?")
    by = {"later": later, "until": trial.until, "actor": options["actor"]}
    if trial.count > operations.AT_ONCE or not trial.exact:
        row = operations.ask("purge", {"queue": queue}, reason=options["reason"], **by)
        tell_asked(row, terminal, as_json=options["json"])
        return
    purged = purging.purge(queue, reason=options["reason"], **by)
    if options["json"]:
        terminal.json({"cancelled": purged.cancelled, "left": purged.left})
        return
    terminal.say(f"{purged.cancelled} jobs of the queue {queue} are cancelled")
    if purged.left:
        terminal.remark(f"{purged.left} are left, which a transaction holds: ask again.")
