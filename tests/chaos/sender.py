"""What the ways to send have in common: a producer's chance, its transactions, and what it writes into the journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from django.db import transaction

from tests.chaos import record

LONG = 0.45  # of the jobs that take their time from here


class UndoneError(Exception):
    """A project's own error: the transaction is rolled back."""


@dataclass
class Sender:
    """One producer's chance, and what it writes into the journal."""

    rng: Random
    note: Callable[[Iterable[str]], None]

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
