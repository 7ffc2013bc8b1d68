"""See and stop what was asked to be done to many jobs at once, or work it off here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from holdfast import operations
from holdfast.exceptions import OperationRefused
from holdfast.management.actors import add_actor
from holdfast.management.operations import NOBODY_WORKS, given, number, tell_asked, tell_trial
from holdfast.management.terminal import Terminal
from holdfast.management.words import choice
from holdfast.operations import OperationRow

LIST, ASK, RUN, STOP = "list", "ask", "run", "stop"


def add_arguments(parser: CommandParser) -> None:
    """Take what is to be done with operations."""
    helps = {
        LIST: "Print operations, the newest first, with how far they have come.",
        ASK: "Ask for one thing to be done to all jobs that match; with --dry-run count them.",
        RUN: "Work off in this process what was asked for; beside workers each job is moved once.",
        STOP: "Let an operation move no more jobs.",
    }
    words = choice(parser, helps, dest="what")
    words[LIST].add_argument("--limit", type=int, default=50, help="print so many (50)")
    _add_what(words[ASK])
    words[STOP].add_argument("id", type=int, metavar="ID")
    add_actor(words[STOP])
    for parsed in words.values():
        parsed.add_argument("--json", action="store_true", help="print JSON")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Do what was asked for with operations."""
    if options["what"] == LIST:
        _list(options, terminal)
    elif options["what"] == ASK:
        _ask(options, terminal)
    elif options["what"] == RUN:
        _run(options, terminal)
    else:
        _stop(options, terminal)


def _add_what(parser: CommandParser) -> None:
    parser.add_argument("kind", choices=operations.KINDS, help=", ".join(operations.KINDS))
    parser.add_argument(
        "filter",
        nargs="?",
        default="",
        metavar="FILTER",
        help="as in the console's list of jobs: 'task:shop.* state:failed since:2h'; of a purge queue:NAME, of a "
        "cancel-batch batch:ID",
    )
    parser.add_argument("--queue", metavar="NAME", help="where they are to wait, of `queue`")
    parser.add_argument("--priority", type=int, metavar="N", help="0 to 9, of `priority`")
    parser.add_argument(
        "--running",
        default="leave",
        metavar="WHAT",
        help="leave, ask or stop those that run, of a cancel",
    )
    parser.add_argument(
        "--later", action="store_true", help="of a purge: those too whose time is to come"
    )
    parser.add_argument(
        "--everything", action="store_true", help="it is meant for every job there is"
    )
    parser.add_argument("--reason", default="", help="for the audit")
    parser.add_argument(
        "--dry-run", action="store_true", help="change nothing, print how many it would be"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_actor(parser)


def _ask(options: dict[str, Any], terminal: Terminal) -> None:
    kind, wanted = options["kind"], options["filter"]
    how = {"running": options["running"], "later": options["later"]}
    trial = operations.try_out(kind, wanted, **how)
    if options["dry_run"]:
        tell_trial(trial, terminal, as_json=options["json"])
        return
    if trial.everything and not options["everything"]:
        raise OperationRefused(
            f"This would {kind} every job there is: say which in the filter, or --everything if it is meant so."
        )
    if not options["yes"]:
        terminal.confirm(
            f"{kind.capitalize()} {number(trial)} jobs ({trial.filter or 'every job'})?"
        )
    more = given(options, "queue", "priority", "reason", "everything")
    row = operations.ask(kind, wanted, actor=options["actor"], until=trial.until, **how, **more)
    tell_asked(row, terminal, as_json=options["json"])


def _list(options: dict[str, Any], terminal: Terminal) -> None:
    found = operations.listed(limit=options["limit"])
    if options["json"]:
        terminal.json([asdict(row) for row in found])
        return
    if not found:
        terminal.say("No operation was asked for.")
        return
    heads = ("id", "kind", "state", "done", "skipped", "failed", "of", "asked", "by", "reason")
    terminal.table(heads, [_cells(row) for row in found])
    for row in found:
        if row.error:
            terminal.remark(f"Operation {row.id}: {row.error}")
    if any(row.state == "running" for row in found) and not operations.is_worked():
        terminal.remark(NOBODY_WORKS)


def _cells(row: OperationRow) -> tuple[Any, ...]:
    total = str(row.total) if row.total_exact else f"about {row.total}"
    counts = (row.done, row.skipped, row.failed, total)
    return (row.id, row.kind, row.state, *counts, row.asked_at, row.actor, row.reason)


def _run(options: dict[str, Any], terminal: Terminal) -> None:
    slices = operations.run()
    left = [row for row in operations.listed() if row.state == "running"]
    if options["json"]:
        terminal.json({"slices": slices, "running": [asdict(row) for row in left]})
        return
    terminal.say(f"{slices} slices worked off, {len(left)} operations under way")
    for row in left:
        terminal.remark(
            f"Operation {row.id} waits for {row.put_off} jobs that somebody's transaction holds: ask again when that "
            "is over."
        )


def _stop(options: dict[str, Any], terminal: Terminal) -> None:
    stopped = operations.stop(options["id"], actor=options["actor"])
    row = operations.find(options["id"])
    if row is None:
        raise OperationRefused(f"Operation {options['id']} was deleted meanwhile.")
    if options["json"]:
        terminal.json({"stopped": stopped, **asdict(row)})
        return
    what = "is stopped" if stopped else f"was over before: {row.state}"
    terminal.say(f"Operation {row.id} {what}; {row.done} jobs were moved")
