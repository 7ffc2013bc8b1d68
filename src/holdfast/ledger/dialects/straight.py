"""A prepared insert sent to PostgreSQL without a cursor, by itself: the cursor's price is that of half a call.

It goes the way the cursor would go: through the connection's lock, its wait, Django's errors and Django's note of a
transaction that is broken. Where anybody wants to see each statement, or where it would be part of a transaction, it
is not sent, and the caller takes a cursor.

What was prepared may be gone: after a rollback psycopg lets go of all there is. Outside a transaction that undoes
nothing, and the statement is prepared again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import generators, pq
from psycopg.errors import InvalidSqlStatementName, error_from_result

from holdfast.ledger.dialects import prepared

_BY_ITSELF = (pq.TransactionStatus.IDLE, pq.PipelineStatus.OFF)
_DONE = pq.ExecStatus.COMMAND_OK
# Who puts his own in its place (a profiler, a tracer) wants to see statements.
_EXECUTE = CursorWrapper.execute
_IS_STOCK = _EXECUTE.__code__.co_filename.endswith("django/db/backends/utils.py")


def insert(
    connection: BaseDatabaseWrapper,
    name: str,
    sql: str,
    values: Sequence[bytes | None],
    formats: Sequence[int],
) -> bool:
    """Execute a statement that returns nothing, prepared once a session under this name.

    Returns False if it was not sent: the caller sends it by a cursor.

    Raises:
        DatabaseError: Django's, as a cursor of Django's would.
    """
    session = prepared.session_of(connection)
    if session is None or not session.direct or not session.speaks_utf8 or is_watched(connection):
        return False
    raw: Any = connection.connection
    wire = raw.pgconn
    if not raw.autocommit or (wire.transaction_status, wire.pipeline_status) != _BY_ITSELF:
        return False
    connection.validate_thread_sharing()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors, raw.lock:
        if name in session.names:
            try:
                _send(raw, name, values, formats)
                return True
            except InvalidSqlStatementName:
                session.names.discard(name)
        wire.send_prepare(name.encode(), sql.encode())
        _finish(raw)
        session.names.add(name)
        _send(raw, name, values, formats)
    return True


def is_watched(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether somebody wants to see each statement that goes over a connection."""
    return bool(
        connection.execute_wrappers
        or connection.queries_logged
        or not _IS_STOCK
        or CursorWrapper.execute is not _EXECUTE
    )


def _send(raw: Any, name: str, values: Sequence[bytes | None], formats: Sequence[int]) -> None:
    raw.pgconn.send_query_prepared(name.encode(), values, formats)
    _finish(raw)


def _finish(raw: Any) -> None:
    """Wait for the end of what was sent, as a cursor does."""
    for result in raw.wait(generators.execute(raw.pgconn)):
        if result.status != _DONE:
            raise error_from_result(result, encoding=raw.info.encoding)
