"""Show each schedule: when it is due in words, next and last; run one now. `pause --schedule NAME` lets one rest."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

import holdfast
from holdfast.beat import listing
from holdfast.beat.listing import Leading, Plan, ScheduleInfo
from holdfast.management.actors import add_actor
from holdfast.management.terminal import Terminal

HEADS = ("SCHEDULE", "DUE", "TASK", "NEXT", "LAST", "BECAME", "NOTE")
PAST = ("DUE", "LATE", "BECAME", "JOB", "STATE", "REASON")


def add_arguments(parser: CommandParser) -> None:
    """Take nothing to show all, a name to show one with its history, or what is to be done with one."""
    parser.add_argument("name", nargs="?", help="one schedule; all of them if left out")
    parser.add_argument(
        "--run-now", action="store_true", help="make a job of it, beside its due times"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_actor(parser)


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Show or run.

    Raises:
        CommandError: it is not said which one is to be run.
    """
    name = options["name"]
    if options["run_now"]:
        if not name:
            raise CommandError("Which one? Give its name; `schedules` alone shows them.")
        job = holdfast.run_now(name, actor=options["actor"]).id
        terminal.json({"job": job}) if options["json"] else terminal.say(f"job {job} is recorded")
    elif name:
        _show_one(listing.schedule(name), terminal, as_json=options["json"])
    else:
        _show_all(listing.schedules(), listing.leading(), terminal, as_json=options["json"])


def _show_all(
    found: list[ScheduleInfo], leading: Leading, terminal: Terminal, *, as_json: bool
) -> None:
    if as_json:
        terminal.json({"schedules": [asdict(info) for info in found], "scheduler": asdict(leading)})
        return
    terminal.table(HEADS, [_row(info) for info in found])
    leader = leading.leader
    if leader is not None:
        said = f"{leader.host} {leader.pid} leads since {terminal.text(leader.leads_since)}"
        terminal.remark(f"{said}; {len(leading.standing_by)} stand by")
    elif not leading.led:
        terminal.remark("No scheduler leads: start `celery beat -S holdfast.beat:Scheduler`.")


def _show_one(plan: Plan, terminal: Terminal, *, as_json: bool) -> None:
    if as_json:
        terminal.json(asdict(plan))
        return
    info = plan.info
    for head, value in (
        ("schedule", info.name),
        ("due", info.words),
        ("task", info.task),
        ("called with", plan.hidden or f"{plan.args} {plan.kwargs}"),
        ("comes from", info.source),
        ("overlap", plan.overlap),
        ("note", _note(info)),
    ):
        terminal.say(f"{head + ':':<13}{value}" if value else "")
    for due in plan.next_due:
        terminal.say(f"next         {terminal.text(due)}")
    terminal.table(
        PAST,
        [
            [
                row.due_at,
                f"{row.late_seconds:.1f} s",
                row.outcome,
                row.job,
                row.job_state,
                row.reason,
            ]
            for row in plan.history
        ],
    )


def _row(info: ScheduleInfo) -> list[Any]:
    return [
        info.name,
        info.words,
        info.task,
        info.next_due_at,
        info.last_due_at,
        info.last_outcome,
        _note(info),
    ]


def _note(info: ScheduleInfo) -> str:
    if not info.enabled:
        return "switched off"
    if info.problem:
        return info.problem
    if info.paused is not None:
        by = f" by {info.paused.by}" if info.paused.by else ""
        return f"paused{by}" + (f": {info.paused.reason}" if info.paused.reason else "")
    return f"overdue by {info.overdue_seconds:.0f} s" if info.overdue_seconds > 5 else ""
