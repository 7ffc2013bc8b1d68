"""Tasks that call the world outside: a gateway whose book is a file, and effects that keep from charging twice."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import shared_task
from django.db import transaction

from holdfast import effect
from holdfast.conf import get_settings
from holdfast.exceptions import EffectBusy
from tests.chaos.record import noted

# Where an attempt may be told to stay until it is killed.
BEFORE_RECORD = "before record"
AFTER_RECORD = "after record"


def write(book: str, line: str) -> None:
    """Append a line to a file beside the record of effects, which knows nothing of the ledger."""
    fd = os.open(f"{os.environ['EFFECTS']}.{book}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, f"{line}\n".encode())
    finally:
        os.close(fd)


def read(effects_file: Path, book: str) -> list[str]:
    """Return the lines of such a file."""
    path = Path(f"{effects_file}.{book}")
    return path.read_text().splitlines() if path.exists() else []


def find(key: str) -> str | None:
    """Ask the gateway whether it has charged."""
    lines = read(Path(os.environ["EFFECTS"]), "charged")
    return f"found {lines.index(key)}" if key in lines else None


def call(key: str) -> str:
    """Charge: what must not happen twice."""
    write("charged", key)
    return f"charged {key}"


def _charge(key: str, stay: str, seconds: float) -> str:
    with effect(key) as turn:
        if turn.is_new:
            write("seen", f"{key} new")
            turn.result = call(key)
        elif turn.in_doubt:
            write("seen", f"{key} in doubt")
            turn.result = find(key) or call(key)
        else:
            write("seen", f"{key} done")
        time.sleep(seconds)
        if stay == BEFORE_RECORD:
            _stay(key)
    if stay == AFTER_RECORD:
        _stay(key)
    return str(turn.result)


def _stay(key: str) -> None:
    """Let the first attempt wait, for its end or for the book "go" to be there, and every other go on."""
    effects_file = Path(os.environ["EFFECTS"])
    if f"{key} stays" in read(effects_file, "seen"):
        return
    write("seen", f"{key} stays")
    while not read(effects_file, "go"):
        time.sleep(0.05)


@shared_task(bind=True)
def charge(self: Any, key: str, stay: str = "", seconds: float = 0.0) -> str:
    with noted(self.request):
        return _charge(key, stay, seconds)


@shared_task(bind=True, atomic=True)
def charge_atomic(self: Any, key: str, stay: str = "", seconds: float = 0.0) -> str:
    with noted(self.request):
        return _charge(key, stay, seconds)


@shared_task(bind=True, autoretry_for=(EffectBusy,), default_retry_delay=0.1, max_retries=100)
def charge_for_many(self: Any, key: str, seconds: float) -> str:
    """Make a call that other jobs want to make too."""
    return _charge(key, "", seconds)


@shared_task(bind=True, atomic=True)
def charge_after_commit(self: Any, key: str) -> None:
    """Leave the call to the time after the commit that ends this job."""
    transaction.on_commit(lambda: effect(key).once(call, key), using=get_settings().database)


@shared_task
def charge_from_eager(key: str) -> str:
    """Make the call in a task that this one runs inline."""
    return str(charge_inline.apply(args=[key]).get(disable_sync_subtasks=False))


@shared_task
def charge_inline(key: str) -> str:
    return effect(key).once(call, key)
