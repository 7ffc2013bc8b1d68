"""How the command asks for operations and tells of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from holdfast import operations
from holdfast.management.terminal import Terminal
from holdfast.operations import OperationRow, Trial

NOBODY_WORKS = (
    "No worker lives: start one, or work it off here with `manage.py holdfast operations run`."
)


def tell_trial(trial: Trial, terminal: Terminal, *, as_json: bool) -> None:
    """Print what an operation would be about; nothing was changed."""
    if as_json:
        terminal.json({**asdict(trial), "dry_run": True})
        return
    terminal.say(f"{number(trial)} jobs would be moved: {trial.kind} {trial.filter}".rstrip())
    heads = ("id", "task", "state", "queue", "recorded")
    rows = [(job.id, job.task, job.state, job.queue, job.recorded_at) for job in trial.samples]
    if rows:
        terminal.table(heads, rows)


def tell_asked(row: OperationRow, terminal: Terminal, *, as_json: bool) -> None:
    """Print that an operation was asked for."""
    if as_json:
        terminal.json(asdict(row))
        return
    about = "" if row.total_exact else "about "
    terminal.say(
        f"Operation {row.id} is asked for: {row.kind} of {about}{row.total} jobs; "
        "`manage.py holdfast operations list` shows how far it is"
    )
    if not operations.is_worked():
        terminal.remark(NOBODY_WORKS)


def number(trial: Trial) -> str:
    """Return how many jobs an operation is about, in words."""
    return str(trial.count) if trial.exact else f"about {trial.count}"


def given(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return those options that were given."""
    return {name: options[name] for name in names if options[name] not in (None, "")}
