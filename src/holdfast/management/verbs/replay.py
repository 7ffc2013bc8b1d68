"""Put finished jobs back to work, each as a new attempt of the same job."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

import holdfast
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take the ids of jobs."""
    parser.add_argument("ids", nargs="+", metavar="ID")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Replay one after the other; the first that cannot be replayed ends it with the reason."""
    for job_id in options["ids"]:
        holdfast.replay(job_id)
        terminal.say(f"{job_id} is queued again")
