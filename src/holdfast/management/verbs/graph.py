"""Show the workflow a job is part of, or a batch: what follows what, and what is still to come."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

import holdfast
from holdfast.management import drawings
from holdfast.management.terminal import Terminal
from holdfast.workflows import MOST_NODES


def add_arguments(parser: CommandParser) -> None:
    """Take the id of a job, a batch or a group, and how it is to be drawn."""
    parser.add_argument("id", metavar="ID", help="of a job, a batch or a group")
    parser.add_argument(
        "--limit", type=int, default=MOST_NODES, help="jobs that are looked at (%(default)s)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--dot", action="store_true", help="print it for Graphviz")
    form.add_argument("--mermaid", action="store_true", help="print it for Mermaid")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print the graph, and beside it whether there is more."""
    graph = holdfast.graph(options["id"], limit=options["limit"])
    if options["json"]:
        terminal.json(graph.as_dict())
    else:
        forms = {"dot": drawings.dot, "mermaid": drawings.mermaid}
        chosen = next((form for form in forms if options[form]), None)
        for line in forms[chosen](graph) if chosen else drawings.tree(graph):
            terminal.say(line)
    if not graph.complete:
        terminal.remark(
            f"There is more: the first {options['limit']} jobs are shown; --limit shows more."
        )
