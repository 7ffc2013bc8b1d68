"""Django tasks for tests: each leaves the way its name says, and notes its effects in a file outside the database."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.db import transaction

from holdfast.conf import get_settings
from tests.project import coroutines
from tests.project.models import AtomicEffect
from tests.project.tasks import add as celery_add
from tests.project.tasks import note, noted

if TYPE_CHECKING:
    from django.tasks import TaskContext, task
else:
    try:
        from django.tasks import TaskContext, task
    except ImportError:
        from django_tasks import TaskContext, task


class AwkwardError(Exception):
    """An error that does not survive pickling, as those with an `__init__` of their own."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code = code


@task
def add(x: int, y: int = 1) -> int:
    note(f"add {x} {y}")
    return x + y


@task()
async def add_async(x: int, y: int) -> int:
    return x + y


@task(queue_name="reports", priority=50)
def report(name: str) -> str:
    note(f"report {name}")
    return name


@task(takes_context=True)
def with_context(context: TaskContext[Any, Any], name: str) -> dict[str, Any]:
    result = context.task_result
    return {
        "name": name,
        "attempt": context.attempt,
        "id": result.id,
        "status": result.status,
        "workers": result.worker_ids,
        "args": result.args,
    }


@task
def fail(said: str) -> None:
    raise ValueError(said)


@task
def fail_awkwardly() -> None:
    raise AwkwardError(7, "awkward\nin two lines")


@task
def return_unwritable() -> object:
    return object()


@task
def lose_child_once(name: str) -> str:
    note(f"start {name}")
    if noted(f"start {name}") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return name


@task
def slow(name: str, seconds: float) -> str:
    note(f"start {name}")
    time.sleep(seconds)
    note(f"end {name}")
    return name


@task
def slow_failure(name: str, seconds: float) -> None:
    note(f"start {name}")
    try:
        time.sleep(seconds)
    finally:
        note(f"end {name}")
    raise ValueError(name)


@task(backend="stubborn")
def fail_twice(name: str) -> str:
    note(f"start {name}")
    if noted(f"start {name}") < 3:
        raise AwkwardError(noted(f"start {name}"), f"{name} again")
    return name


@task(backend="stubborn")
def fail_always(name: str) -> None:
    note(f"start {name}")
    raise LookupError(name)


@task(backend="atomic")
def write(name: str, *, fails: bool = False) -> str:
    AtomicEffect.objects.using(get_settings().database).create(job=name)
    note(f"wrote {name}")
    if fails:
        raise ValueError(name)
    return name


@task(backend="atomic")
def write_and_wait(name: str, seconds: float) -> str:
    AtomicEffect.objects.using(get_settings().database).create(job=name)
    note(f"start {name}")
    if noted(f"start {name}") == 1:
        time.sleep(seconds)
    return name


@task(backend="hurried")
def outlast_limit() -> None:
    time.sleep(30)


@task(backend="hurried")
def in_time(name: str) -> None:
    note(f"in time {name}")


@task
def send_others(x: int) -> list[str]:
    """Enqueue a Django task and send a Celery task, both in one transaction."""
    with transaction.atomic(using=get_settings().database):
        return [add.enqueue(x, 2).id, celery_add.delay(x, 3).id]


@task
async def await_file(gate: str, name: str) -> str:
    """Wait as the Celery task of this name does."""
    return str(await coroutines.await_file(gate, name))


@task
async def ask_database(name: str) -> int:
    """Write and read the ledger's database from a coroutine."""
    rows = AtomicEffect.objects.using(get_settings().database).filter(job=name)
    await AtomicEffect.objects.using(get_settings().database).acreate(job=name)
    return await sync_to_async(rows.count)()


class Kept:
    """A function that lies in a class."""

    @staticmethod
    def double(x: int) -> int:
        return 2 * x


double = task(Kept.double)


def _plain() -> None:
    note("called although it is no task")


def shadowed() -> str:
    return "the first of two"


first_of_two = task(shadowed)


def shadowed() -> str:  # type: ignore[no-redef]  # what is tested
    return "the second of two"
