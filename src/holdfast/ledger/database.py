"""Which database holds the ledger, how a transaction on it is opened, and what its passing errors are."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Callable, Collection, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)

from holdfast.conf import get_settings
from holdfast.exceptions import UnsupportedDatabase
from holdfast.interruptions import let_out_interruption, striking_afterwards

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.transaction import Atomic

    from holdfast.ledger.dialects import Dialect

T = TypeVar("T")
_is_asked_again = ContextVar("_is_asked_again", default=False)
_job_runs_again = ContextVar("_job_runs_again", default=False)
logger = logging.getLogger("holdfast.ledger")

# What a lost, refused or busy database raises. The statement may or may not have happened: every
# caller is fenced by a token, so asking again is safe.
PASSING_ERRORS: tuple[type[Exception], ...] = (OperationalError, InterfaceError)


def alias() -> str:
    """Return the alias of the ledger's database."""
    return get_settings().database


def connection() -> BaseDatabaseWrapper:
    """Return this thread's connection to the ledger's database."""
    return connections[alias()]


def dialect() -> Dialect:
    """Return the hot statements for the ledger's database."""
    from holdfast.ledger import dialects

    vendor = connection().vendor
    try:
        return dialects.BY_VENDOR[vendor]
    except KeyError:
        raise UnsupportedDatabase(
            f"The database {alias()!r} is {vendor}: the ledger needs PostgreSQL or SQLite. "
            "Point HOLDFAST['database'] to an alias with one of them."
        ) from None


def atomic() -> Atomic:
    """Open a transaction on the ledger's database, or join the caller's."""
    return transaction.atomic(using=alias())


def in_one_transaction(work: Callable[[], T]) -> T:
    """Do work, all of it or nothing: in the caller's transaction, or in one of its own.

    One of its own is begun again if what was prepared for it is gone.
    """
    if in_transaction():
        with atomic():
            return work()
    try:
        with _asked_again(), atomic():
            return work()
    except OperationalError as error:
        if not dialect().missed_a_statement(error):
            raise
    with atomic():
        return work()


def in_transaction() -> bool:
    """Tell whether this thread is inside a transaction on the ledger's database."""
    return connection().in_atomic_block


def commits_by_itself() -> bool:
    """Tell whether a statement of this thread commits by itself."""
    here = connection()
    if here.in_atomic_block:
        return False
    return bool(here.autocommit if here.connection else here.settings_dict["AUTOCOMMIT"])


def is_passing(error: BaseException) -> bool:
    """Tell whether the error is about the connection or a lock, and not about what was asked."""
    return isinstance(error, PASSING_ERRORS)


def with_patience(ask: Callable[[], T], *, seconds: float, what: str) -> T:
    """Ask until the database answers; after `seconds` let its error out.

    Only outside a transaction: the connection is closed between two tries.
    """
    deadline = time.monotonic() + seconds
    pause = 0.05
    while True:
        try:
            with _asked_again(), kept_whole():
                return ask()
        except Exception as error:
            let_out_interruption(error)
            out_of_time = time.monotonic() + pause > deadline
            if not is_passing(error) or in_transaction() or out_of_time:
                raise
            logger.warning(
                "%s: the database does not answer (%s); asking again in %.1f s", what, error, pause
            )
            close_connection()
            time.sleep(pause * (0.5 + random.random()))  # noqa: S311  # spreads, hides nothing
            pause = min(pause * 2, 2.0)


@contextlib.contextmanager
def _asked_again() -> Iterator[None]:
    before = _is_asked_again.set(not in_transaction())
    try:
        yield
    finally:
        _is_asked_again.reset(before)


def is_asked_again() -> bool:
    """Tell whether what runs here is asked again, its transaction with it, if the database cannot do it this time."""
    return _is_asked_again.get()


@contextlib.contextmanager
def job_runs_again() -> Iterator[None]:
    """Say of what is done inside that its job runs again, from nothing, if the database breaks off."""
    before = _job_runs_again.set(True)
    try:
        yield
    finally:
        _job_runs_again.reset(before)


def does_job_run_again() -> bool:
    """Tell whether what runs here is undone with its transaction, and its job run again, if the database breaks off."""
    return _job_runs_again.get()


@contextlib.contextmanager
def on_connection(lent: BaseDatabaseWrapper) -> Iterator[None]:
    """Use another thread's connection inside; that thread must not use it meanwhile."""
    own = connection()
    connections[lent.alias] = lent
    try:
        yield
    finally:
        connections[lent.alias] = own


def close_connection() -> None:
    """Drop this thread's connection, so that the next statement opens a fresh one."""
    try:
        connection().close()
    except DatabaseError as error:  # a connection that is already gone may refuse even that
        let_out_interruption(error)
        logger.debug("closing a broken connection failed", exc_info=True)


@contextlib.contextmanager
def kept_whole() -> Iterator[None]:
    """Leave no transaction half begun or half ended, whatever strikes inside: the connection can be used after it."""
    before = open_transactions()
    # No statement on SQLite can be interrupted anyway.
    strikes = striking_afterwards if connection().vendor == "sqlite" else contextlib.nullcontext
    try:
        with strikes():
            yield
    except BaseException:
        end_half_begun(before)
        raise


def open_transactions() -> Collection[str]:
    """Return the databases on which this thread is inside a transaction."""
    return {here.alias for here in connections.all(initialized_only=True) if here.in_atomic_block}


def end_half_begun(open_before: Collection[str] | None = None) -> None:
    """Undo what a signal tore from Django's note of it, on every database this thread uses.

    A soft time limit may strike between a BEGIN and Django's note that it is inside a transaction: the
    connection would keep its locks, and swallow the commits of all jobs that come after. So it would the other way
    round: with `open_before`, a transaction that is open and not among these is one that nobody will end.
    """
    for here in connections.all(initialized_only=True):
        raw = here.connection
        if raw is None or not _is_torn(here, raw, open_before):
            continue
        logger.warning("A transaction on %r was torn by a time limit: undone", here.alias)
        # Without a block around it the connection is closed at once, and the next one begins with none.
        here.in_atomic_block = here.closed_in_transaction = False
        # Closing alone is not enough: SQLite keeps the lock as long as anybody holds a cursor.
        with contextlib.suppress(Exception):
            raw.rollback()
        with contextlib.suppress(DatabaseError):
            here.close()


def _is_torn(here: BaseDatabaseWrapper, raw: Any, open_before: Collection[str] | None) -> bool:
    if here.in_atomic_block:
        return open_before is not None and here.alias not in open_before
    if here.autocommit != here.settings_dict["AUTOCOMMIT"]:
        return True
    # psycopg may have been told already, and begins a transaction with the next statement.
    as_noted = getattr(raw, "autocommit", here.autocommit) == here.autocommit
    return bool(here.autocommit) and (_is_in_transaction(raw) or not as_noted)


def _is_in_transaction(raw: Any) -> bool:
    if hasattr(raw, "in_transaction"):  # SQLite
        return bool(raw.in_transaction)
    info = getattr(raw, "info", None)  # psycopg
    return info is not None and info.transaction_status != 0
