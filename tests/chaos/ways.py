"""The ways a project sends its jobs, one function each: they return what is certain, and of which results."""

from __future__ import annotations

from random import Random
from typing import Any

from celery import chain, chord
from django.db import transaction

from tests.chaos import tasks

# "committed": each of these must come to its end; "undone": none of these may ever run.
Sent = tuple[str, list[Any]]


def autocommit(rng: Random) -> Sent:
    """Send outside a transaction."""
    return "committed", [tasks.work.delay(rng.random() * 0.2) for _ in range(3)]


def slow(rng: Random) -> Sent:
    """Send what lasts."""
    return "committed", [tasks.work.delay(1 + rng.random() * 2)]


def in_transaction(rng: Random) -> Sent:
    """Send in a transaction with a savepoint."""
    with transaction.atomic():
        sent = [tasks.work.delay(0.02), tasks.atomic_work.delay(0.02)]
        with transaction.atomic():
            sent.append(tasks.quick.delay())
    return "committed", sent


def rolled_back(rng: Random) -> Sent:
    """Send in a transaction that is undone."""
    sent: list[Any] = []
    try:
        with transaction.atomic():
            sent += [tasks.work.delay(0.02), chain(tasks.step.s(), tasks.step.s()).delay()]
            raise LookupError
    except LookupError:
        return "undone", sent


def savepoint(rng: Random) -> Sent:
    """Send in a savepoint that is undone."""
    undone: list[Any] = []
    with transaction.atomic():
        tasks.quick.delay()
        try:
            with transaction.atomic():
                undone.append(tasks.quick.delay())
                raise LookupError
        except LookupError:
            pass
    return "undone", undone


def bulk(rng: Random) -> Sent:
    """Send many in one go."""
    return "committed", list(tasks.quick.apply_many([()] * rng.randint(5, 60)))


def later(rng: Random) -> Sent:
    """Send what is not due yet."""
    sent = [tasks.work.apply_async((0.02,), countdown=rng.random() * 4) for _ in range(3)]
    return "committed", sent


def retried(rng: Random) -> Sent:
    """Send what asks for retries."""
    return "committed", [tasks.flaky.delay(rng.randint(1, 3), rng.random() * 0.5)]


def atomically(rng: Random) -> Sent:
    """Send atomic jobs."""
    return "committed", [tasks.atomic_work.delay(rng.random() * 0.1) for _ in range(4)]


def chained(rng: Random) -> Sent:
    """Send a chain."""
    return "committed", [chain(*(tasks.step.s(seconds=0.05) for _ in range(3))).delay()]


def counted(rng: Random) -> Sent:
    """Send a chord."""
    members = [tasks.step.s(seconds=rng.random() * 0.2) for _ in range(rng.randint(2, 5))]
    return "committed", [chord(members)(tasks.step.s())]


WAYS = (
    autocommit,
    slow,
    in_transaction,
    rolled_back,
    savepoint,
    bulk,
    later,
    retried,
    atomically,
    atomically,
    chained,
    counted,
)
