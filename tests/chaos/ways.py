"""The ways a project sends its jobs, one function each: they note what is certain, as soon as it is."""

from __future__ import annotations

import os

from celery import chain, chord
from django.db import transaction

import holdfast
from tests.chaos import record, tasks
from tests.chaos.sender import Sender

TENANTS = 6
KEYS = 12


def autocommit(by: Sender) -> None:
    """Send outside a transaction."""
    by.committed(*(tasks.work.delay(by.seconds()) for _ in range(3)))


def in_transaction(by: Sender) -> None:
    """Send in a transaction with a savepoint."""
    with by.transaction() as sent:
        sent += [tasks.work.delay(by.seconds()) for _ in range(4)]
        sent.append(tasks.atomic_work.delay(0.02))
        with transaction.atomic():
            sent.append(tasks.quick.delay())


def rolled_back(by: Sender) -> None:
    """Send in a transaction that is undone."""
    with by.rolled_back() as sent:
        sent += [tasks.work.delay(0.02), chain(tasks.step.s(), tasks.step.s()).delay()]


def savepoint(by: Sender) -> None:
    """Send in a savepoint that is undone, and around it."""
    with by.transaction() as sent:
        sent.append(tasks.work.delay(by.seconds()))
        with by.rolled_back() as undone:
            undone.append(tasks.quick.delay())


def other_database(by: Sender) -> None:
    """Send in a transaction of another database than the ledger's, and in one that is undone."""
    with transaction.atomic(using="other"):
        sent = tasks.work.delay(by.seconds())
    # Not before: between the commits of two databases a job may get lost, which is stated.
    by.committed(sent)
    with by.rolled_back(using="other") as undone:
        undone.append(tasks.quick.delay())


def bulk(by: Sender) -> None:
    """Send many in one go."""
    lengths = [(by.seconds(),) for _ in range(by.rng.randint(5, 25))]
    by.committed(*tasks.work.apply_many(lengths))


def later(by: Sender) -> None:
    """Send what is not due yet."""
    waits = [by.rng.random() * 4 for _ in range(3)]
    began = record.now()
    sent = [tasks.work.apply_async((by.seconds(),), countdown=wait) for wait in waits]
    by.note(
        f"due {one.id} {began + wait:.3f} {record.now() + wait:.3f}"
        for one, wait in zip(sent, waits, strict=True)
    )
    by.committed(*sent)


def retried(by: Sender) -> None:
    """Send what asks for retries."""
    by.committed(tasks.flaky.delay(by.rng.randint(1, 3), by.rng.random() * 0.5))


def atomically(by: Sender) -> None:
    """Send atomic jobs."""
    by.committed(*(tasks.atomic_work.delay(by.rng.random() * 0.1) for _ in range(3)))


def chained(by: Sender) -> None:
    """Send a chain."""
    by.committed(chain(*(tasks.step.s(seconds=by.seconds()) for _ in range(3))).delay())


def counted(by: Sender) -> None:
    """Send a chord."""
    members = [tasks.step.s(seconds=by.seconds()) for _ in range(by.rng.randint(2, 5))]
    by.committed(chord(members)(tasks.step.s()))


def limited(by: Sender) -> None:
    """Send what only some of may run at once."""
    sent = [tasks.limited.delay(by.rng.random() * 0.3) for _ in range(2)]
    tenant = f"tenant{by.rng.randrange(TENANTS)}"
    by.committed(*sent, tasks.tenanted.delay(tenant, by.rng.random() * 0.3))


def unique(by: Sender) -> None:
    """Send one job twice, and perhaps while one of its key is under way."""
    key = f"key{by.rng.randrange(KEYS)}"
    by.committed(*(tasks.alone.delay(key, by.seconds()) for _ in range(2)))


def batch(by: Sender) -> None:
    """Send a batch with a callback at its end."""
    with (
        by.transaction() as sent,
        holdfast.Batch(on_complete=tasks.closing.s()) as opened,
    ):
        sent += [tasks.work.delay(by.seconds()) for _ in range(by.rng.randint(2, 6))]
        transaction.on_commit(
            lambda: by.note([f"batch {opened.id} {os.getpid()} {record.now():.3f}"])
        )


def poison(by: Sender) -> None:
    """Send what kills the process that runs it, now and then."""
    if by.rng.random() < 0.1:
        sent = tasks.poison.apply_async(queue=POISONED)
        by.note([f"poison {sent.id} {os.getpid()} {record.now():.3f}"])


# A queue that only workers with processes take from: on threads it would kill the whole worker.
POISONED = "poisoned"
HARMLESS = (
    *(autocommit, autocommit, in_transaction, in_transaction, bulk, bulk, rolled_back, savepoint),
    *(other_database, later, later, retried, atomically, atomically, chained, chained, counted),
    *(limited, limited, unique, batch, batch),
)
WAYS = (*HARMLESS, poison)
