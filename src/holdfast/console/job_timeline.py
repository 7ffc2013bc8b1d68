"""The life of a job in the order of time: its record, its attempts, and what people did between them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from celery import current_app
from django.utils.translation import gettext as _

from holdfast.dispatch import editing
from holdfast.ledger.audit import AuditLine
from holdfast.ledger.reads.attempts import AttemptRow
from holdfast.ledger.reads.one_job import Past
from holdfast.ledger.records import Message

# Edits of which the difference is shown, lanes of the picture, lines of one log.
EDITS = 5
LANES = 12
LINES = 500
LINE = 2000
WIDTH = 1000.0
NARROWEST = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened: an attempt, or what somebody did."""

    at: datetime
    attempt: AttemptRow | None = None
    last_line: str = ""
    """Of the attempt's traceback."""
    lines_left_out: int = 0
    """Of its log, which is shown up to 500 lines."""
    actor: str = ""
    action: str = ""
    detail: str = ""
    difference: list[str]
    """What an edit has changed, line by line."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One attempt in the picture: how long it was waited for, and how long it ran, on a line from 0 to 1000."""

    attempt: AttemptRow
    waited: float
    ran: float
    wait_x: float
    wait_width: float
    run_x: float
    run_width: float


def events(past: Past, lines: Sequence[AuditLine], now: Message | None) -> list[Event]:
    """Return what happened, oldest first; `now` is what the job is called with."""
    found = [_of_attempt(attempt) for attempt in past.attempts]
    after, edits = now, 0
    for line in lines:  # newest first
        detail, before = _read(line, now)
        difference: list[str] = []
        if before is not None and after is not None and edits < EDITS:
            difference = editing.difference(current_app, before, after)
        if before is not None:
            after, edits = before, edits + 1
        found.append(
            Event(
                at=line.at,
                actor=line.actor or _("somebody"),
                action=line.action,
                detail=detail,
                difference=difference,
            )
        )
    return sorted(found, key=lambda event: event.at)


def lanes(
    attempts: Sequence[AttemptRow], *, span: tuple[datetime, datetime], whole: bool
) -> list[Lane]:
    """Return the latest attempts as lines of one picture, on one scale.

    Args:
        attempts: oldest first.
        span: when the job was recorded, and when it ended, or what time it is.
        whole: whether the attempts are all there were.
    """
    shown = [attempt for attempt in attempts if attempt.started_at is not None][-LANES:]
    if not shown:
        return []
    recorded_at, now = span
    whole = whole and len(shown) == len(attempts)
    begin = (None if whole else shown[0].started_at) or recorded_at
    end = max(now, *(attempt.ended_at or now for attempt in shown))
    scale = WIDTH / max((end - begin).total_seconds(), 0.001)
    found, before = [], begin
    for attempt in shown:
        started = max(attempt.started_at or begin, before)
        ended = max(attempt.ended_at or now, started)
        run_width = min(WIDTH, max((ended - started).total_seconds() * scale, NARROWEST))
        run_x = min((started - begin).total_seconds() * scale, WIDTH - run_width)
        wait_x = min((before - begin).total_seconds() * scale, run_x)
        found.append(
            Lane(
                attempt=attempt,
                waited=(started - before).total_seconds(),
                ran=(ended - started).total_seconds(),
                wait_x=round(wait_x, 1),
                wait_width=round(run_x - wait_x, 1),
                run_x=round(run_x, 1),
                run_width=round(run_width, 1),
            )
        )
        before = ended
    return found


def last_line(traceback: str) -> str:
    """Return the last line of a traceback that says something."""
    said = next((line.strip() for line in reversed(traceback.splitlines()) if line.strip()), "")
    return said[:LINE]


def _of_attempt(attempt: AttemptRow) -> Event:
    left_out = max(0, len(attempt.log) - LINES)
    at = attempt.started_at or attempt.ended_at
    assert at is not None
    return Event(
        at=at,
        attempt=replace(attempt, log=attempt.log[:LINES]) if left_out else attempt,
        last_line=last_line(attempt.traceback),
        lines_left_out=left_out,
        difference=[],
    )


def _read(line: AuditLine, now: Message | None) -> tuple[str, Message | None]:
    """Return the detail of a line as it may be seen, and of an edit what the job was called with before."""
    try:
        said: Any = json.loads(line.detail) if line.detail else None
    except ValueError:
        return line.detail, None
    if not isinstance(said, dict):
        return line.detail, None
    before = said.pop("before", None)
    if isinstance(before, dict) and now is not None and "body" in before:
        encoding = before.get("content_encoding") or now.content_encoding
        body = b64decode(before["body"])
        message = replace(now, headers=before["headers"], body=body, content_encoding=encoding)
    else:
        message = None
    if line.action == "reroute" and all(isinstance(each, list) for each in said.values()):
        return "; ".join(f"{name}: {old} → {new}" for name, (old, new) in said.items()), message
    return json.dumps(said) if said and "selected" not in said else "", message
