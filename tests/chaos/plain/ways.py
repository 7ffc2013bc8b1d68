"""The ways a project with plain Celery sends its jobs: after the commit, as Celery's documentation says."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import chain, chord
from celery.result import AsyncResult
from celery.utils import uuid
from django.db import transaction

from tests.chaos.plain import tasks
from tests.chaos.sender import Sender


def on_commit(task: Any, *args: Any) -> AsyncResult[Any]:
    """Send after the commit, as `delay_on_commit` does, with an id that is known before."""
    id = uuid()
    transaction.on_commit(partial(task.apply_async, args, task_id=id))
    return AsyncResult(id)


def autocommit(by: Sender) -> None:
    """Send outside a transaction."""
    by.committed(*(tasks.work.delay(by.seconds()) for _ in range(3)))


def in_transaction(by: Sender) -> None:
    """Send after a transaction has committed."""
    with by.transaction() as sent:
        sent += [on_commit(tasks.work, by.seconds()) for _ in range(4)]
        sent.append(on_commit(tasks.atomic_work, 0.02))
        with transaction.atomic():
            sent.append(on_commit(tasks.quick))


def rolled_back(by: Sender) -> None:
    """Send in a transaction that is undone."""
    with by.rolled_back() as sent:
        sent += [on_commit(tasks.work, 0.02), on_commit(tasks.quick)]


def bulk(by: Sender) -> None:
    """Send many, one after the other: there is no other way."""
    for _ in range(by.rng.randint(5, 25)):
        by.committed(tasks.work.delay(by.seconds()))


def later(by: Sender) -> None:
    """Send what is not due yet."""
    for _ in range(3):
        by.committed(tasks.work.apply_async((by.seconds(),), countdown=by.rng.random() * 4))


def retried(by: Sender) -> None:
    """Send what asks for retries."""
    by.committed(tasks.flaky.delay(by.rng.randint(1, 3), by.rng.random() * 0.5))


def atomically(by: Sender) -> None:
    """Send what writes a row."""
    for _ in range(3):
        by.committed(tasks.atomic_work.delay(by.rng.random() * 0.1))


def chained(by: Sender) -> None:
    """Send a chain."""
    by.committed(chain(*(tasks.step.s(seconds=by.seconds()) for _ in range(3))).delay())


def counted(by: Sender) -> None:
    """Send a chord."""
    members = [tasks.step.s(seconds=by.seconds()) for _ in range(by.rng.randint(2, 5))]
    by.committed(chord(members)(tasks.step.s()))


# In the same shares as with Holdfast; what plain Celery does not have is left out.
WAYS = (
    *(autocommit, autocommit, in_transaction, in_transaction, bulk, bulk, rolled_back, later),
    *(later, retried, atomically, atomically, chained, chained, counted),
)
