"""Show one job: its row, its arguments without secrets, its attempts, and what people did to it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from holdfast.management import jobs
from holdfast.management.terminal import Terminal
from holdfast.management.words import choice


def add_arguments(parser: CommandParser) -> None:
    """Take the id of a job."""
    words = choice(parser, {"show": (__doc__ or "").splitlines()[0]}, dest="what")
    words["show"].add_argument("id", metavar="ID")
    words["show"].add_argument("--json", action="store_true", help="print JSON")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print the job."""
    jobs.show(options["id"], terminal, as_json=options["json"])
