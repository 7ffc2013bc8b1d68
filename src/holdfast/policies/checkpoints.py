"""Checkpoints: what a body leaves for its job's next attempt to go on from; in the process that runs it.

What if it dies here? Before the checkpoint's commit: the next attempt goes on from the one before. After it: from this.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from kombu.utils.json import dumps, loads

from holdfast.conf import get_settings
from holdfast.exceptions import CheckpointRefused
from holdfast.ledger import checkpoints
from holdfast.ledger.connections.aside import has_transaction, in_event_loop, in_thread
from holdfast.ledger.database import atomic, with_patience
from holdfast.ledger.fence import mark
from holdfast.ledger.records import Hold
from holdfast.lineage import current_hold, memory, patience_seconds

T = TypeVar("T")


def checkpoint(state: Any, *, every: float = 0.0) -> bool:
    """Keep a state that the job's next attempt gets back from `last_checkpoint()`; return whether it was written.

    Inside `transaction.atomic()` on the ledger's database it is part of that transaction: what the transaction wrote
    and the checkpoint are committed together, once. Elsewhere it is committed on return. It is kept over retries,
    snoozes, losses, stops and replays, and deleted when the job succeeds. Outside of an attempt nothing is written.

    Args:
        state: what JSON can say, up to HOLDFAST["checkpoint_max_bytes"]; it replaces the one before.
        every: seconds since this attempt's last checkpoint within which nothing is written. What is left out is
            lost in a crash, so that the next attempt repeats as much.

    Raises:
        CheckpointRefused: the state is no JSON, is too big, or the task is `atomic`.
        AttemptLost: this attempt does not stand any more; let it out.
    """
    encoded = _encode(state)
    hold = current_hold()
    if hold is None:
        return False
    here = memory()
    if here.get("atomic"):
        raise CheckpointRefused(
            f"Job {hold.id}: an atomic body is undone as a whole, its checkpoints too. Remove atomic=True from the "
            "task, and write each step in transaction.atomic() with its checkpoint at the end."
        )
    now = monotonic()
    if now - here.get("checkpoint at", float("-inf")) < every:
        return False
    here["checkpoint"] = True
    _ask(partial(checkpoints.save, hold, encoded), hold)
    here["checkpoint at"] = now
    return True


def last_checkpoint(default: Any = None) -> Any:
    """Return the state that this attempt or an earlier one of the job saved last; `default` if there is none."""
    hold = current_hold()
    if hold is None:
        return default
    found = _ask(partial(checkpoints.load, hold.id), hold)
    if found is None:
        return default
    memory()["checkpoint"] = True
    return loads(found)


async def acheckpoint(state: Any, *, every: float = 0.0) -> bool:
    """Keep a state of a coroutine, as `checkpoint` does; the event loop goes on meanwhile."""
    return await sync_to_async(checkpoint, thread_sensitive=True)(state, every=every)


async def alast_checkpoint(default: Any = None) -> Any:
    """Return what `last_checkpoint` returns; the event loop goes on meanwhile."""
    return await sync_to_async(last_checkpoint, thread_sensitive=True)(default)


def forgetting(hold: Hold, complete: Callable[..., None]) -> Callable[..., None]:
    """Let the job's checkpoint go with its success, in the same transaction, if this attempt met or made one."""
    if "checkpoint" not in memory():
        return complete

    def complete_and_forget(*args: Any) -> None:
        with atomic():
            mark(hold)
            complete(*args)
            checkpoints.clear([hold.id])

    return complete_and_forget


def _ask(work: Callable[[], T], hold: Hold) -> T:
    if not in_event_loop() and has_transaction():
        return work()
    patient = partial(
        with_patience, work, seconds=patience_seconds(), what=f"checkpoint of job {hold.id}"
    )
    return in_thread(patient) if in_event_loop() else patient()


def _encode(state: Any) -> str:
    try:
        encoded = dumps(state)
    except (TypeError, ValueError) as error:
        raise CheckpointRefused(
            f"A checkpoint must be what JSON can say, and this {type(state).__name__} is not ({error}). Save what it "
            "takes to find the place again, such as an id or a position."
        ) from error
    size, most = len(encoded.encode()), get_settings().checkpoint_max_bytes
    if size > most:
        raise CheckpointRefused(
            f"A checkpoint of {size} bytes is too big: HOLDFAST['checkpoint_max_bytes'] is {most}. Keep the data in "
            "a table or file of your own, and save where it is."
        )
    return str(encoded)
