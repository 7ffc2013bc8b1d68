"""Cancel jobs or whole batches for good: waiting jobs never run, running ones are stopped."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

import holdfast
from holdfast import Batch, operations
from holdfast.ledger import batches, wishes
from holdfast.ledger.reads import queries
from holdfast.ledger.states import FINAL, State
from holdfast.management.actors import add_actor
from holdfast.management.operations import NOBODY_WORKS
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take the ids of jobs and of batches."""
    parser.add_argument("ids", nargs="+", metavar="ID", help="of a job or of a batch")
    gently = parser.add_mutually_exclusive_group()
    gently.add_argument(
        "--keep-running", action="store_true", help="cancel those only that have not started"
    )
    gently.add_argument(
        "--ask", action="store_true", help="ask running ones to stop, do not stop them"
    )
    parser.add_argument("--reason", default="", help="why a batch is, for the audit")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_actor(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Cancel them, and say what became of each.

    Raises:
        CommandError: one of them is not in the ledger, and none was cancelled.
    """
    ids = list(dict.fromkeys(options["ids"]))
    # Celery would tell every worker about an id nobody knows, for nothing.
    sets = [holdfast.Batch.get(id) for id in ids if batches.get(id) is not None]
    ids = [id for id in ids if id not in {batch.id for batch in sets}]
    unknown = sorted(set(ids) - queries.known(ids))
    if unknown:
        raise CommandError(
            f"Not in the ledger, so nothing was cancelled: {', '.join(unknown)}. "
            "They were never recorded here, or deleted after their retention."
        )
    before = _states(ids)
    open_members = sum(batch.progress().open for batch in sets)
    if len(ids) + open_members > 1 and not options["yes"]:
        of = f", {open_members} of them members of {len(sets)} batches" if sets else ""
        terminal.confirm(f"Cancel {len(ids) + open_members} jobs{of}?")
    sets, large = _large(sets, options)
    how = {
        "terminate": not options["ask"],
        "only_waiting": options["keep_running"],
        "actor": options["actor"],
    }
    for batch in sets:
        batch.cancel(**how, reason=options["reason"])
    holdfast.cancel(ids, **how)
    after = _states(ids)
    asked = wishes.asked_among(ids)
    if options["json"]:
        said = {batch.id: "complete" if batch.is_complete() else "open" for batch in sets}
        said |= {row.filter["batch"]: f"operation {row.id}" for row in large}
        terminal.json(said | {id: after[id].name.lower() for id in ids})
        return
    for row in large:
        terminal.say(
            f"{row.filter['batch']} is cancelled; operation {row.id} cancels its {row.total} members"
        )
    if large and not operations.is_worked():
        terminal.remark(NOBODY_WORKS)
    for batch in sets:
        progress = batch.progress()
        terminal.say(
            f"{batch.id} has {progress.cancelled} cancelled members, {progress.open} are open"
        )
    for job_id in ids:
        state = after[job_id]
        had = " (it had finished before)" if before[job_id] in FINAL else ""
        told = " and was asked to stop" if job_id in asked else ""
        terminal.say(f"{job_id} is {state.name.lower()}{had}{told}")


def _large(
    sets: list[Batch], options: dict[str, Any]
) -> tuple[list[Batch], list[operations.OperationRow]]:
    """Ask for operations that cancel the large ones among some batches; return the others, and what was asked for."""
    running = "ask" if options["ask"] else "leave" if options["keep_running"] else "stop"
    small, asked = list[Batch](), list[operations.OperationRow]()
    for batch in sets:
        wanted = {"batch": batch.id}
        trial = operations.try_out("cancel-batch", wanted, running=running)
        if trial.exact and trial.count <= operations.AT_ONCE:
            small.append(batch)
            continue
        by = {"actor": options["actor"], "reason": options["reason"]}
        asked.append(operations.ask("cancel-batch", wanted, running=running, **by))
    return small, asked


def _states(ids: list[str]) -> dict[str, State]:
    found = {id: queries.state_of(id) for id in ids}
    return {id: State(row[0]) for id, row in found.items() if row is not None}
