"""Stopping a queue, a task or a schedule everywhere, and letting it go on: `holdfast.pause(queue="mail")`."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from django.db import transaction

from holdfast.beat import listing
from holdfast.exceptions import HoldfastError
from holdfast.ledger import pauses as ledger
from holdfast.ledger import schedules
from holdfast.ledger.database import alias, dialect, in_transaction
from holdfast.ledger.pauses import QUEUE, SCHEDULE, TASK, Paused

WAKE = 1000
# Longest wait for claims that began before a pause; they take some milliseconds.
CLAIMS_SECONDS = 30.0


def pause(
    *,
    queue: str | None = None,
    task: Any = None,
    schedule: str | None = None,
    actor: str = "",
    reason: str = "",
) -> bool:
    """Let nothing more of a queue, or of a task, begin anywhere, or let a schedule make no jobs, until `resume`.

    When this has returned, no attempt of it is claimed any more: it waits for claims that began before. In a
    transaction of yours that holds from its commit on, which then waits. What was claimed before runs to its end.
    The due times of a schedule that is paused are skipped, each with the reason; they are not made up for later. The
    pause is a row: it outlives every process, and all schedulers heed it.

    Args:
        queue: its name.
        task: the task or its name.
        schedule: its name; one of the three.
        actor: who does it, for the audit.
        reason: shown beside the pause.

    Returns False if it was paused already.

    Raises:
        ScheduleNotFound: no source has a schedule of this name.
        HoldfastError: a claim, or a decision of a scheduler, that began before is still under way. The pause holds for
            all others.
    """
    kind, name = _named(queue, task, schedule)
    if kind == SCHEDULE:
        listing.known(name)
    new = ledger.pause(kind, name, actor=actor, reason=reason)
    wait = partial(_await_decisions, name) if kind == SCHEDULE else _await_claims
    if in_transaction():
        transaction.on_commit(wait, using=alias())
    else:
        wait()
    return new


def resume(
    *,
    queue: str | None = None,
    task: Any = None,
    schedule: str | None = None,
    actor: str = "",
    reason: str = "",
) -> bool:
    """Let a paused queue, task or schedule go on; a queue's or task's jobs become due.

    The first thousand do at once, the others by the relay. A schedule goes on with its next due time. The audit keeps
    the actor and the reason.

    Returns False if it was not paused.
    """
    kind, name = _named(queue, task, schedule)
    ended = ledger.resume(kind, name, actor=actor, reason=reason)
    if kind != SCHEDULE:
        ledger.wake(limit=WAKE)
    return ended


def pauses() -> list[Paused]:
    """Return what is paused, by whom and since when."""
    return ledger.listed()


def _named(queue: str | None, task: Any, schedule: str | None) -> tuple[str, str]:
    said = {QUEUE: queue, TASK: getattr(task, "name", task), SCHEDULE: schedule}
    named = [(kind, str(name)) for kind, name in said.items() if name is not None]
    if len(named) != 1:
        raise ValueError("Say queue=..., task=... or schedule=..., one of the three.")
    return named[0]


def _await_decisions(schedule: str) -> None:
    """Wait for decisions of schedulers that began before the pause was committed: they may not have seen it."""
    deadline, pause_seconds = time.monotonic() + CLAIMS_SECONDS, 0.002
    while schedules.is_being_decided(schedule):
        if time.monotonic() > deadline:
            raise HoldfastError(
                f"Schedule {schedule!r} is paused, but a decision on it that began before is still under way: look "
                "at pg_stat_activity for what it waits for. That one may still make a job; nothing else will."
            )
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, 0.1)


def _await_claims() -> None:
    """Wait for claims that began before now: they may not have seen what was committed before now."""
    began, deadline, pause_seconds = dialect().now(), time.monotonic() + CLAIMS_SECONDS, 0.002
    while dialect().claims_under_way_since(began):
        if time.monotonic() > deadline:
            raise HoldfastError(
                "It is paused, but a claim that began before is still under way: look at pg_stat_activity for what "
                "it waits for. What that claim takes runs; nothing else will."
            )
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, 0.1)
