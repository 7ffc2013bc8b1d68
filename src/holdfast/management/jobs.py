"""How the command prints a job: for people, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from celery import current_app

from holdfast.dispatch import calls, said
from holdfast.dispatch.known import task_named
from holdfast.dispatch.progress import in_words as in_words_of_progress
from holdfast.dispatch.prose import Prose
from holdfast.exceptions import JobNotFound
from holdfast.ledger.reads import letters, queue_reads
from holdfast.ledger.reads.details import Details, details
from holdfast.management.terminal import Terminal
from holdfast.waiting import why_waits

WIDEST = 60
_SHOWN_APART = ("past", "audit")


def show(job_id: str, terminal: Terminal, *, as_json: bool) -> None:
    """Print a job, its arguments without secrets, its attempts and what people did to it.

    Raises:
        JobNotFound: there is no such job.
    """
    found = details(job_id)
    if found is None:
        raise JobNotFound(
            f"Job {job_id} is not in the ledger: it was never recorded here, or it was deleted after its retention."
        )
    message = letters.messages([job_id]).get(job_id)
    call = calls.shown(current_app, message) if message else None
    prose = (
        said.of_message(current_app, message)
        if message
        else Prose(task_named(current_app, found.task))
    )
    found = replace(found, past=[said.attempt(one, prose) for one in found.past])
    if as_json:
        shown = asdict(found) | {"call": asdict(call) if call else None}
        shown["audit"] = [
            line | {"detail": without_payload(line["detail"])} for line in shown["audit"]
        ]
        terminal.json(shown)
        return
    progress = _progress(job_id) if found.state == "running" else ""
    if progress:
        terminal.say(f"{'progress':<17}{progress}")
    for name, value in asdict(found).items():
        if name not in _SHOWN_APART and value not in {None, ""}:
            terminal.say(f"{name:<17}{terminal.text(value)}")
    if call:
        terminal.say(f"{'called with':<17}{in_words(call.args, call.kwargs, call.hidden)}")
    if found.state == "queued" and not queue_reads.is_served(found.queue):
        terminal.remark(f"No live worker serves the queue {found.queue!r}: the job waits for one.")
    _show_past(found, terminal)


def why(job_id: str, terminal: Terminal, *, as_json: bool) -> None:
    """Print why a job waits, what holds it now first.

    Raises:
        JobNotFound: there is no such job.
    """
    found = why_waits(job_id)
    if as_json:
        terminal.json([asdict(wait) for wait in found])
        return
    for wait in found:
        terminal.say(f"{wait.kind.value.upper() if wait.trouble else wait.kind.value}: {wait.text}")
        terminal.say(f"  {wait.ends}")
        for job in wait.jobs:
            terminal.say(
                f"  - {job.id} {job.task} {job.state} {terminal.text(job.since or '')}".rstrip()
            )
    if not found:
        terminal.say(f"Job {job_id} is over: it waits for nothing.")


def _progress(job_id: str) -> str:
    """Return in words how far a running job says it is."""
    said = current_app.backend.get_task_meta(job_id)["result"]
    return in_words_of_progress(said) if isinstance(said, dict) and "done" in said else ""


def _show_past(found: Details, terminal: Terminal) -> None:
    for attempt in found.past:
        terminal.say()
        terminal.say(
            f"attempt {attempt.number} {attempt.outcome} {terminal.text(attempt.ended_at or '')}"
            f"{f' on {attempt.worker_name}' if attempt.worker_name else ''}  {attempt.error}".rstrip()
        )
        for line in attempt.log:
            terminal.say(f"  | {line}")
        for line in attempt.traceback.splitlines():
            terminal.say(f"    {line}")
    if found.audit:
        terminal.say()
        rows = [
            (line.at, line.actor, line.action, without_payload(line.detail)) for line in found.audit
        ]
        terminal.table(("at", "actor", "action", "detail"), rows)


def in_words(args: Any, kwargs: Any, hidden: str) -> str:
    """Return arguments as a call is written, or why they cannot be."""
    if args is None and kwargs is None:
        return f"({hidden})"
    positional = [repr(value) for value in args] if isinstance(args, list) else [str(args)]
    named = (
        [f"{key}={value!r}" for key, value in kwargs.items()]
        if isinstance(kwargs, dict)
        else [str(kwargs)]
    )
    return f"({', '.join([*positional, *named])})" + (f" {hidden}" if hidden else "")


def shortened(text: str) -> str:
    """Return the first words of a text that would not fit into a column."""
    line = " ".join(text.split())
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 3]}..."


def without_payload(detail: str) -> str:
    """Return the detail of an audit's line without the arguments of old: they may hold secrets."""
    try:
        said = json.loads(detail) if detail else {}
    except ValueError:
        return detail
    if isinstance(said, dict) and "before" in said:
        return json.dumps(said | {"before": "kept in the ledger, table holdfast_audit"})
    return detail
