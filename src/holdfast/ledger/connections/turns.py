"""How a worker's loops get SQLite's one writer: they ask for it so often that the next gap is theirs.

SQLite keeps no queue. Whoever finds the writer busy sleeps and asks again, each time later, up to 100 ms: under
many writers those who have waited longest ask most rarely, and a lease may run out behind them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError

from holdfast.ledger.database import connection

# A turn ends soon and its work is asked again: a fork waits for whoever is inside, see `ledger.forks`.
TURN_SECONDS = 1.0
PAUSE_SECONDS = 0.001


def is_busy(error: BaseException) -> bool:
    """Tell whether the error says that somebody else held SQLite's writer: nothing of the statement happened."""
    code = getattr(error.__cause__, "sqlite_errorcode", 0)
    return isinstance(error, OperationalError) and code & 0xFF == sqlite3.SQLITE_BUSY


@contextmanager
def asking_often() -> Iterator[None]:
    """Let the ledger work inside ask for SQLite's writer each millisecond, for one turn at most."""
    here = connection()
    if here.vendor != "sqlite":
        yield
        return
    with here.execute_wrapper(_ask):
        yield


def _ask(
    execute: Callable[..., Any],
    sql: str,
    params: Any,
    many: bool,  # noqa: FBT001  # Django calls by position
    context: dict[str, Any],
) -> Any:
    here = context["connection"]
    # Who is in a transaction has the writer already. Of many rows some may be in: they are not asked twice.
    if here.in_atomic_block or many:
        return execute(sql, params, many, context)
    deadline = time.monotonic() + TURN_SECONDS
    (configured,) = here.connection.execute("PRAGMA busy_timeout").fetchone()
    here.connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                return execute(sql, params, many, context)
            except OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_SECONDS)
    finally:
        here.connection.execute(f"PRAGMA busy_timeout = {configured}")
