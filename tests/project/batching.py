"""Workflows of every kind, each in a batch of its own whose callbacks note their ends in the record of effects."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from celery import Signature, chain, chord, group, shared_task
from django.db import transaction

from holdfast import Batch
from holdfast.conf import get_settings
from tests.project.tasks import add, collect, leave, note, noted

# A member is told to leave so, and does as `tests.project.tasks.leave` says; these are done here.
DIES_AFTER_COMMIT = "dies after its commit"
STAYS = "stays"
WAITS = "waits"


@shared_task(atomic=True)
def member(how: str, name: str) -> str:
    """End well, but die once right after the commit of the end, before anybody can look at the batch."""
    if how == DIES_AFTER_COMMIT and not noted(f"start {name}"):
        transaction.on_commit(die, using=get_settings().database)
    note(f"start {name}")
    return name


@shared_task
def stay(how: str, name: str) -> str:
    """Stay until somebody opens the gate, at most a minute; or wait for an hour before that."""
    note(f"start {name}")
    deadline = time.monotonic() + 60
    while not Path(f"{os.environ['EFFECTS']}.gate").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return name


def die() -> None:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task
def told(batch_id: str, event: str) -> None:
    """Note an end of a batch."""
    note(f"told {Batch.get(batch_id).name} {event}")


def _member(how: str, name: str) -> Signature[Any]:
    tasks = {DIES_AFTER_COMMIT: member, STAYS: stay, WAITS: stay}
    return _held(tasks.get(how, leave).si(how, name), how)


def _held(signature: Signature[Any], how: str) -> Signature[Any]:
    return signature.set(countdown=3600) if how == WAITS else signature


def _group(how: str, name: str) -> Any:
    return group(_member(how, name), add.si(1, 1), add.si(2, 2))


def _chord(how: str, name: str) -> Any:
    return chord([add.si(1, 1), _member(how, name)], collect.s())


def _chain(how: str, name: str) -> Any:
    return chain(add.si(1, 1), _member(how, name), add.si(2, 2))


def _nested(how: str, name: str) -> Any:
    inner = chord([chain(add.si(1, 1), _member(how, name)), add.si(3, 3)], collect.s())
    return chain(add.si(1, 1), inner, collect.s())


def _chunks(how: str, name: str) -> Any:
    task = _member(how, name).type
    parts = task.chunks([(how, name), (how, f"{name}, 2")], 1).group()
    return group([_held(part, how) for part in parts.tasks])


def _starmap(how: str, name: str) -> Any:
    return _held(_member(how, name).type.starmap([(how, name), (how, f"{name}, 2")]), how)


KINDS: dict[str, Callable[[str, str], Any]] = {
    "group": _group,
    "chord": _chord,
    "chain": _chain,
    "chord in a chain": _nested,
    "chunks": _chunks,
    "starmap": _starmap,
}
# Jobs of each that end well if every member does.
SIZES = {"group": 3, "chord": 3, "chain": 3, "chord in a chain": 6, "chunks": 2, "starmap": 1}


def send(how: str, kinds: Iterable[str] = KINDS) -> dict[str, tuple[Batch, Any]]:
    """Send one workflow of every kind with a member that leaves as told; return batch and result by kind."""
    sent = {}
    for kind in kinds:
        with Batch(
            kind,
            on_success=told.s("success"),
            on_complete=told.s("complete"),
            on_failure=told.s("failure"),
        ) as batch:
            sent[kind] = (batch, KINDS[kind](how, kind).apply_async())
    return sent
