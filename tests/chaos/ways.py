"""The ways a project sends its jobs, one function each: they note what is certain, as soon as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from celery import chain, chord
from django.db import transaction

import holdfast
from tests.chaos import record, tasks

LONG = 0.4  # of the jobs that take their time from here
TENANTS = 6
KEYS = 12


class UndoneError(Exception):
    """A project's own error: the transaction is rolled back."""


@dataclass
class Sender:
    """One producer's chance, and what it writes into the journal."""

    rng: Random
    note: Callable[[Iterable[str]], None]
    undone: list[Any] = field(default_factory=list)

    def seconds(self) -> float:
        """Draw how long a body lasts: more than half a second for many, next to nothing for the others."""
        if self.rng.random() < LONG:
            return self.rng.uniform(0.52, 0.9)
        return self.rng.random() * 0.1

    def committed(self, *sent: Any) -> None:
        """Note jobs whose transaction has committed."""
        self._note("committed", sent)

    @contextmanager
    def transaction(self) -> Iterator[list[Any]]:
        """Open a transaction; what is put into the list is noted right after its commit, before all else."""
        sent: list[Any] = []
        with transaction.atomic():
            transaction.on_commit(lambda: self.committed(*sent))
            yield sent

    @contextmanager
    def rolled_back(self, *, using: str | None = None) -> Iterator[list[Any]]:
        """Open a transaction, or a savepoint, that is undone; its jobs may never run."""
        sent: list[Any] = []
        try:
            with transaction.atomic(using=using):
                yield sent
                # Noted first: had it been after the rollback, a kill between would hide a job that runs.
                self._note("undone", sent)
                raise UndoneError
        except UndoneError:
            pass

    def _note(self, what: str, sent: Iterable[Any]) -> None:
        now = record.now()
        self.note(f"{what} {id} {os.getpid()} {now:.3f}" for id in ids(sent))


def ids(sent: Iterable[Any]) -> Iterator[str]:
    """Yield the id of each result with all that must be done before it: steps of a chain, members of a chord."""
    for result in sent:
        if result.parent is not None:
            yield from ids([result.parent])
        members = getattr(result, "results", None)
        if members is None:
            yield str(result.id)
        else:
            yield from ids(members)


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
        transaction.on_commit(lambda: by.note([f"batch {opened.id} {os.getpid()} {record.now():.3f}"]))


def poison(by: Sender) -> None:
    """Send what kills the process that runs it, now and then."""
    if by.rng.random() < 0.3:
        sent = tasks.poison.apply_async(queue=POISONED)
        by.note([f"poison {sent.id} {os.getpid()} {record.now():.3f}"])


# A queue that only workers with processes take from: on threads it would kill the whole worker.
POISONED = "poisoned"
WAYS = (
    *(autocommit, autocommit, in_transaction, in_transaction, bulk, bulk, rolled_back, savepoint),
    *(other_database, later, later, retried, atomically, atomically, chained, chained, counted),
    *(limited, limited, unique, batch, batch, poison),
)
