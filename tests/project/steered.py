"""Tasks that look whether they are still wanted, say how far they are, and go on from where another one was."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any
from unittest import mock

from celery import chain, shared_task
from celery.contrib.abortable import AbortableTask
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

import holdfast
from holdfast.conf import get_settings
from tests.project.models import AtomicEffect
from tests.project.tasks import add, note, noted

LONGEST = 60.0


def _until_aborted(name: str) -> None:
    note(f"start {name}")
    deadline = time.monotonic() + LONGEST
    while not holdfast.is_aborted():
        assert time.monotonic() < deadline, f"{name} was not told to stop"
        time.sleep(0.02)
    note(f"told {name}")


@shared_task(bind=True)
def steered(self: Any, name: str, leaving: str = "raise") -> str:
    """Run until it is told to stop, then leave in a way of its own."""
    if self.request.retries:
        note(f"again {name}")
        return name
    if leaving == "in transaction":
        with transaction.atomic(using=get_settings().database):
            _until_aborted(name)
        raise holdfast.Aborted
    _until_aborted(name)
    if leaving == "raise":
        raise holdfast.Aborted(name)
    if leaving == "retry":
        raise self.retry(countdown=0)
    if leaving == "replace":
        raise self.replace(add.si(1, 1))
    if leaving == "replace by a chain":
        raise self.replace(chain(add.si(1, 1), add.si(2, 2)))
    if leaving == "error":
        raise ValueError(name)
    return name


@shared_task(atomic=True)
def steered_atomic(name: str) -> None:
    """Write a row in one transaction with the end, and take it back."""
    AtomicEffect.objects.using(get_settings().database).create(job=name)
    raise holdfast.Aborted(name)


@shared_task(bind=True, base=AbortableTask)
def abortable(self: Any, name: str) -> str:
    """Be written for Celery's own abortable tasks."""
    note(f"start {name}")
    deadline = time.monotonic() + LONGEST
    while not self.is_aborted():
        assert time.monotonic() < deadline, f"{name} was not told to stop"
        time.sleep(0.05)
    note(f"told {name}")
    return "gave up"


@shared_task
def deaf(name: str, gate: str) -> str:
    """Never look, and end when a file appears."""
    note(f"pid {name} {os.getpid()}")
    note(f"start {name}")
    _await(gate)
    note(f"end {name}")
    return name


@shared_task(bind=True, max_retries=5)
def resumable(self: Any, name: str, steps: int, stays: str = "", leaving: str = "") -> int:
    """Write a row in each step, with its checkpoint; half-way the first attempt stays, or leaves in some way."""
    begin = self.last_checkpoint(default=0)
    note(f"from {name} {begin}")
    database = get_settings().database
    for step in range(begin, steps):
        with transaction.atomic(using=database):
            AtomicEffect.objects.using(database).create(job=f"{name} {step}")
            self.checkpoint(step + 1)
            if stays == "inside" and begin == 0 and step == steps // 2:
                _stay(name)
        if begin == 0 and step == steps // 2:
            if stays == "between":
                _stay(name)
            if leaving == "retry":
                raise self.retry(countdown=0)
            if leaving == "snooze":
                self.snooze(0)
            if leaving == "fail":
                raise ValueError(name)
    return steps - begin


def _stay(name: str) -> None:
    note(f"stays {name}")
    time.sleep(LONGEST)


@shared_task(bind=True)
def reporting(self: Any, name: str, gate: str, where: str = "") -> str:
    """Say how far it is many times in a moment, and stay a while with the last word said."""
    if where == "transaction":
        with transaction.atomic(using=get_settings().database):
            self.progress(3, 4, "inside")
            _await(gate)
        return name
    for done in range(500):
        self.progress(done, 500, "busy")
    self.progress(499, 500, "nearly there")
    note(f"said {name}")
    _await(gate)
    return name


@shared_task(bind=True)
def saying(self: Any, name: str) -> None:
    """Write how far it is as fast as it can until its limit, and use the database once more."""
    deadline = time.monotonic() + LONGEST
    with mock.patch("holdfast.dispatch.progress.PAUSE_SECONDS", 0.0):
        try:
            while time.monotonic() < deadline:
                self.progress(1, 2, name)
        except SoftTimeLimitExceeded:
            AtomicEffect.objects.using(get_settings().database).create(job=name)
            raise


def _await(gate: str) -> None:
    deadline = time.monotonic() + LONGEST
    while not Path(gate).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@shared_task(bind=True, max_retries=5)
async def asteered(self: Any, name: str) -> str:
    """Go on from the last checkpoint, be retried half-way, and run until it is told to stop."""
    begin = await self.alast_checkpoint(default=0)
    note(f"from {name} {begin}")
    await self.acheckpoint(begin + 1)
    await self.aprogress(begin, 2, "awaiting")
    if begin == 0:
        raise self.retry(countdown=0)
    deadline = time.monotonic() + LONGEST
    while not await self.ais_aborted():
        assert time.monotonic() < deadline, f"{name} was not told to stop"
        await asyncio.sleep(0.02)
    assert self.is_aborted(), "the sync word says the same"
    note(f"told {name}")
    raise holdfast.Aborted


@shared_task(bind=True, max_retries=5, autoretry_for=(ConnectionError,))
def limited(self: Any, name: str, leaving: str) -> str:
    """Note the time limits of this attempt; the first one leaves in some way."""
    first = noted(f"attempt {name}") == 0
    note(f"attempt {name}")
    note(f"limits {name} {list(self.request.timelimit)}")
    if not first:
        return name
    if leaving == "snooze":
        self.snooze(0)
    if leaving == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if leaving == "fail":
        raise ValueError(name)
    try:
        time.sleep(LONGEST)
    except SoftTimeLimitExceeded:
        note(f"soft {name}")
        raise self.retry(countdown=0) from None
    return name
