"""The transaction that a test case wraps around its test, as the jobs inside must not notice it.

In a worker a body begins outside of all transactions: what it writes is committed line by line, and its
`on_commit` hooks run. In a test case that commits nothing, both are played here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from operator import itemgetter
from typing import Any, TypeAlias, cast
from unittest import mock

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from holdfast.exceptions import HoldfastError
from holdfast.ledger.database import alias, connection

logger = logging.getLogger("holdfast.testing")
# psycopg's word for a transaction that refuses everything but its rollback.
IN_ERROR = 3
# Connections inside of a test's transaction, each with the number of hooks that were there before the attempt.
Marks: TypeAlias = list[tuple[BaseDatabaseWrapper, int]]


def surrounding() -> list[BaseDatabaseWrapper]:
    """Return the connections on which this thread is inside of a test's transaction."""
    return [here for here in connections.all(initialized_only=True) if here.in_atomic_block]


def depth() -> int:
    """Return in how many blocks of `atomic()` this thread is, on the ledger's database."""
    return len(connection().atomic_blocks)


def refuse_blocks_of_the_test(*, allowed: int) -> None:
    """Refuse to run jobs inside a block whose commit they would have to wait for.

    Raises:
        HoldfastError: with the repair.
    """
    blocks = connection().atomic_blocks
    # Django marks the frames of its test cases; what was open before the jobs were watched is the test's frame too.
    own = [block for block in blocks[allowed:] if not getattr(block, "_from_testcase", False)]
    if own:
        raise HoldfastError(
            "drain() inside of transaction.atomic(): a worker would see what the block has recorded only after its "
            "commit. Leave the block first."
        )


def waiting_hooks() -> int:
    """Count the on_commit hooks of the project's own that the test's transaction has gathered."""
    hooks = [hook for here in surrounding() for hook in map(itemgetter(1), here.run_on_commit)]
    # Those of an outbox publish what is recorded already.
    return sum(not hasattr(hook, "outbox") for hook in hooks)


@contextmanager
def kept_open() -> Iterator[Marks]:
    """Let an attempt run inside of the test's transaction: it cannot close it, and its hooks run at the end."""
    marks = [(here, len(here.run_on_commit)) for here in surrounding()]
    with ExitStack() as patches:
        for here, _ in marks:
            patches.enter_context(mock.patch.object(here, "close", _stay_open))
        yield marks
        for here, start in marks:
            run_hooks(here, start)


class Body:
    """The body of one attempt, between two savepoints of the test's transaction."""

    def __init__(self, marks: Marks, *, atomic: bool) -> None:
        # An atomic body has a block of its own on the ledger's database: there its end commits.
        self._marks = [
            (here, start, cast("str", here.savepoint()))
            for here, start in marks
            if not (atomic and here.alias == alias())
        ]

    def commit(self) -> None:
        """Keep what the body wrote, and run its hooks.

        Raises:
            HoldfastError: the body swallowed an error that has broken the test's transaction.
        """
        if self._mend():
            raise HoldfastError(
                "The body went on after a database error that breaks the transaction of a test case, so what it "
                "wrote is undone. Put atomic() around the statement that may fail, or use a test with "
                "transaction=True (TransactionTestCase)."
            )
        self._run_hooks()

    def leave(self) -> None:
        """Keep what the body wrote before its error, if the database lets it, and run its hooks."""
        self._mend()
        self._run_hooks()

    def _mend(self) -> bool:
        broken = False
        for here, start, savepoint in self._marks:
            if _is_broken(here):
                broken = True
                here.needs_rollback = False
                here.savepoint_rollback(savepoint)
                # What they would tell of is undone.
                del here.run_on_commit[start:]
            else:
                here.savepoint_commit(savepoint)
        return broken

    def _run_hooks(self) -> None:
        for here, start, _ in self._marks:
            run_hooks(here, start)


def run_hooks(here: BaseDatabaseWrapper, start: int) -> None:
    """Run the on_commit hooks after the first `start`, and those that they register; none of them runs again."""
    while len(here.run_on_commit) > start:
        # django-stubs know pairs only: (savepoints, hook, robust).
        _, hook, robust = cast("Any", here.run_on_commit.pop(start))
        try:
            hook()
        except Exception:
            if not robust:
                raise
            logger.exception("An on_commit hook with robust=True failed")


def _is_broken(here: BaseDatabaseWrapper) -> bool:
    info: Any = getattr(here.connection, "info", None)
    return here.needs_rollback or (info is not None and info.transaction_status == IN_ERROR)


def _stay_open() -> None:
    """Stand in for closing a connection: the test's transaction would go with it."""
