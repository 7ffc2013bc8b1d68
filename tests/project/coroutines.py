"""Tasks for tests whose bodies are coroutines: what the sync ones do, and what only coroutines can."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, NoReturn

from asgiref.sync import sync_to_async
from celery import Task, current_task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from holdfast.conf import get_settings
from holdfast.ledger.models import Job
from holdfast.lineage import current_hold
from tests.project.tasks import _leave, effect, note

# What starts a worker with the asyncio pool: `-P custom`, and this in its environment.
AIO = {"CELERY_CUSTOM_WORKER_POOL": "holdfast.worker.aio:TaskPool"}


async def _soft_limit(task: Any, name: str) -> NoReturn:
    while True:
        await asyncio.sleep(60)


async def _soft_limit_caught(task: Any, name: str) -> str:
    try:
        await _soft_limit(task, name)
    except SoftTimeLimitExceeded:
        # It is over with: what is awaited now is not cancelled again.
        async with asyncio.timeout(60):
            await asyncio.sleep(0.01)
        return "in time"


async def _cancelled_by_itself(task: Any, name: str) -> NoReturn:
    raise asyncio.CancelledError


_OWN_LEAVINGS = {
    "soft limit": _soft_limit,
    "soft limit, caught": _soft_limit_caught,
    "hard limit": _soft_limit,
    "cancelled by itself": _cancelled_by_itself,
}


@shared_task(bind=True, name="tests.project.tasks.leave_async")
async def leave_async(self: Any, how: str, name: str) -> Any:
    await asyncio.sleep(0.01)
    if how not in _OWN_LEAVINGS:
        return _leave(self, how, name)
    note(f"start {name}")
    return await _OWN_LEAVINGS[how](self, name)


@shared_task(name="tests.project.tasks.aeffect")
async def aeffect(name: str, seconds: float = 0.0) -> str:
    note(f"start {name}")
    await asyncio.sleep(seconds)
    note(f"end {name}")
    return name


@shared_task(name="tests.project.tasks.await_file")
async def await_file(gate: str, name: str) -> str:
    """Run until the file `gate` is there; at most a minute."""
    note(f"start {name}")
    try:
        async with asyncio.timeout(60):
            while not Path(gate).exists():  # noqa: ASYNC240  # a look at a file holds nobody up
                await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        note(f"cancelled {name}")
        raise
    note(f"end {name}")
    return name


@shared_task(bind=True, name="tests.project.tasks.facts_async")
async def facts_async(self: Any, seconds: float = 0.0) -> dict[str, Any]:
    """Return what a coroutine, its subtasks and its threads know of its job, before and after an await."""
    seen = [self.request.id, current_task.request.id, _attempt()]
    await asyncio.sleep(seconds)

    async def below() -> str:
        return str(self.request.id)

    seen += [self.request.id, current_task.request.id, _attempt()]
    seen += [await asyncio.create_task(below()), await asyncio.to_thread(lambda: self.request.id)]
    seen += [await sync_to_async(lambda: self.request.id)()]
    job = await Job.objects.aget(id=self.request.id)
    child = await effect.adelay(f"child of {job.id}")
    return {"seen": seen, "task": job.task, "child": child.id}


def _attempt() -> str:
    hold = current_hold()
    return hold.id if hold is not None else ""


@shared_task(
    bind=True,
    autoretry_for=(ValueError,),
    max_retries=2,
    default_retry_delay=0,
    name="tests.project.tasks.autoretry_async",
)
async def autoretry_async(self: Any, name: str, until: int) -> str:
    note(f"start {name}")
    await asyncio.sleep(0)
    if self.request.retries < until:
        raise ValueError(name)
    return name


class InTransaction(Task):  # type: ignore[misc]  # see pyproject.toml
    """Opens a transaction around the body."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with transaction.atomic(using=get_settings().database):
            return super().__call__(*args, **kwargs)


@shared_task(base=InTransaction, name="tests.project.tasks.in_transaction")
async def in_transaction() -> int:
    """Use the ORM inside of it."""
    return await Job.objects.using(get_settings().database).acount()


@shared_task(name="tests.project.tasks.hasty", soft_time_limit=0.2)
async def hasty() -> str:
    """Have a limit of its own."""
    try:
        await asyncio.sleep(60)
    except SoftTimeLimitExceeded:
        return "in time"
    return "never"


@shared_task(name="tests.project.tasks.block")
async def block(seconds: float) -> None:
    """Do what a coroutine must not: hold up the loop."""
    time.sleep(seconds)  # noqa: ASYNC251  # that is what it is for


@shared_task(name="tests.project.tasks.stubborn")
async def stubborn(gate: str, name: str) -> str:
    """Go on although it is cancelled."""
    note(f"start {name}")
    while not Path(gate).exists():  # noqa: ASYNC240
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            note(f"cancelled {name}")
    return name
