"""Say whether database, migrations, broker and backlog are well, or a worker or scheduler of this host."""

from __future__ import annotations

import socket
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from holdfast.conf import HEALTH_PARTS
from holdfast.health.report import health
from holdfast.ledger import schedulers
from holdfast.ledger.reads import worker_reads
from holdfast.management.terminal import Terminal

ANY = "*"


def add_arguments(parser: CommandParser) -> None:
    """Take what is asked for, and how it is told."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--need",
        action="append",
        default=[],
        choices=HEALTH_PARTS,
        help="a part that must be well beside those of HOLDFAST['ready_needs']",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--worker",
        nargs="?",
        const=ANY,
        metavar="NAME",
        help="only whether a worker of this name, or any of this host, takes jobs",
    )
    which.add_argument(
        "--scheduler", action="store_true", help="only whether a scheduler of this host lives"
    )


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print what was found, and exit with 1 if it is not well.

    Raises:
        SystemExit: something is not well that is needed.
    """
    if options["worker"]:
        well = _worker(options["worker"], terminal, json=options["json"])
    elif options["scheduler"]:
        well = _scheduler(terminal, json=options["json"])
    else:
        well = _services(options["need"], terminal, json=options["json"])
    if not well:
        sys.exit(1)


def _services(needs: list[str], terminal: Terminal, *, json: bool) -> bool:
    found = health(needs=needs)
    if json:
        terminal.json(found.shown)
        return found.ready
    for name, fact in sorted(found.facts.items()):
        word = "well" if fact.well else ("FAILING" if name in found.needs else "not well")
        detail = f" ({fact.detail})" if fact.detail else ""
        terminal.say(f"{name}: {word}: {fact.says}{detail}")
    return found.ready


def _worker(name: str, terminal: Terminal, *, json: bool) -> bool:
    host = socket.gethostname()
    found = [
        one
        for one in worker_reads.workers()
        if one.name == name or (name == ANY and one.host == host)
    ]
    if json:
        terminal.json([asdict(one) | {"state": one.state} for one in found])
    for one in () if json else found:
        terminal.say(f"{one.name}: {one.state}")
    if not found and not json:
        asked = f"of host {host}" if name == ANY else f"named {name}"
        terminal.say(f"No worker {asked} has a lease.")
    return any(one.state == "serving" for one in found)


def _scheduler(terminal: Terminal, *, json: bool) -> bool:
    host = socket.gethostname()
    found = [one for one in schedulers.living() if one.host == host[:255]]
    if json:
        terminal.json([asdict(one) for one in found])
    for one in () if json else found:
        terminal.say(
            f"{one.host}, process {one.pid}: {'leads' if one.leads_since else 'stands by'}"
        )
    if not found and not json:
        terminal.say(f"No scheduler of host {host} has told of itself in the last 20 s.")
    return bool(found)
