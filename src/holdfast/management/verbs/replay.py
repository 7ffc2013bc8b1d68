"""Put finished jobs back to work, each as a new attempt of the same job."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

import holdfast
from holdfast.exceptions import JobNotFound
from holdfast.management.actors import add_actor
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take the ids of jobs."""
    parser.add_argument("ids", nargs="+", metavar="ID")
    parser.add_argument(
        "--from-start", action="store_true", help="do not go on from the last checkpoint"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_actor(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Replay one after the other, and say what became of each.

    Raises:
        CommandError: some of them could not be replayed.
    """
    ids = list(dict.fromkeys(options["ids"]))
    if len(ids) > 1 and not options["yes"]:
        terminal.confirm(f"Replay {len(ids)} jobs?")
    done, refused = [], []
    for job_id in ids:
        try:
            holdfast.replay(job_id, actor=options["actor"], from_start=options["from_start"])
            done.append(job_id)
        except JobNotFound as error:
            refused.append(str(error))
    if options["json"]:
        terminal.json({"replayed": done, "refused": refused})
    else:
        for job_id in done:
            terminal.say(f"{job_id} is queued again")
    if refused:
        raise CommandError("\n".join(refused))
