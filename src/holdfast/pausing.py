"""Stopping a queue or a task in the whole cluster, and letting it go on: `holdfast.pause(queue="mail")`."""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction

from holdfast.exceptions import HoldfastError
from holdfast.ledger import pauses as ledger
from holdfast.ledger.database import alias, dialect, in_transaction
from holdfast.ledger.pauses import QUEUE, TASK, Paused

WAKE = 1000
# Longest wait for claims that began before a pause; they take some milliseconds.
CLAIMS_SECONDS = 30.0


def pause(*, queue: str | None = None, task: Any = None, actor: str = "", reason: str = "") -> bool:
    """Let nothing more of a queue, or of a task, begin anywhere, until `resume`.

    When this has returned, no attempt of it is claimed any more: it waits for claims that began before. In a
    transaction of yours that holds from its commit on, which then waits. What was claimed before runs to its end.

    Args:
        queue: its name.
        task: the task or its name; one of the two.
        actor: who does it, for the audit.
        reason: shown beside the pause.

    Returns False if it was paused already.

    Raises:
        HoldfastError: a claim that began before is still under way. The pause holds for all others.
    """
    kind, name = _named(queue, task)
    new = ledger.pause(kind, name, actor=actor, reason=reason)
    if in_transaction():
        transaction.on_commit(_await_claims, using=alias())
    else:
        _await_claims()
    return new


def resume(*, queue: str | None = None, task: Any = None, actor: str = "") -> bool:
    """Let a paused queue or task go on; its jobs become due, the first thousand at once, the others by the relay.

    Returns False if it was not paused.
    """
    kind, name = _named(queue, task)
    ended = ledger.resume(kind, name, actor=actor)
    ledger.wake(limit=WAKE)
    return ended


def pauses() -> list[Paused]:
    """Return what is paused, by whom and since when."""
    return ledger.listed()


def _named(queue: str | None, task: Any) -> tuple[str, str]:
    if (queue is None) == (task is None):
        raise ValueError("Say queue=... or task=..., one of the two.")
    return (QUEUE, queue) if queue is not None else (TASK, getattr(task, "name", task))


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
