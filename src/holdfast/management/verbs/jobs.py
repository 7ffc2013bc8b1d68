"""Show one job: its row, its arguments without secrets, its attempts, what people did to it, and why it waits."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from holdfast.management import jobs
from holdfast.management.terminal import Terminal
from holdfast.management.words import choice


def add_arguments(parser: CommandParser) -> None:
    """Take the id of a job."""
    helps = {
        "show": "show a job with its attempts, and what people did to it",
        "why": "say why a job waits or what it does, with the evidence and what will end it",
    }
    for word in choice(parser, helps, dest="what").values():
        word.add_argument("id", metavar="ID")
        word.add_argument("--json", action="store_true", help="print JSON")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print the job, or why it waits."""
    say = {"show": jobs.show, "why": jobs.why}[options["what"]]
    say(options["id"], terminal, as_json=options["json"])
