"""Statements sent to PostgreSQL without a cursor: for an insert the cursor's price is that of half a call.

It goes the way the cursor would go: through the connection's lock, its wait, Django's errors and Django's note of a
transaction that is broken. Where anybody wants to see each statement it is not sent, and the caller takes a cursor.

By itself it is prepared. What was prepared may be gone: after a rollback psycopg lets go of all there is, and so may
any cursor of the project. Outside a transaction that undoes nothing, and the statement is prepared again. Inside one
it would break the caller's transaction, so there the statement goes with its values, and is parsed each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import generators, pq
from psycopg.errors import InvalidSqlStatementName, error_from_result

from holdfast.ledger.dialects import prepared

_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
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
    """Execute a statement that returns nothing, prepared once a session under this name if it is by itself.

    Returns False if it was not sent: the caller sends it by a cursor.

    Raises:
        DatabaseError: Django's, as a cursor of Django's would.
    """
    session = prepared.session_of(connection)
    if session is None or not session.direct or not session.speaks_utf8 or is_watched(connection):
        return False
    raw: Any = connection.connection
    wire = raw.pgconn
    if wire.pipeline_status != pq.PipelineStatus.OFF:
        return False
    by_itself = prepared.is_by_itself(raw)
    # The first statement of a transaction begins it: that is left to a cursor.
    if not by_itself and wire.transaction_status != pq.TransactionStatus.INTRANS:
        return False
    connection.validate_thread_sharing()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors, raw.lock:
        if not by_itself:
            wire.send_query_params(sql.encode(), values, None, formats)
            _finish(raw)
            return True
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


def begin_named(connection: BaseDatabaseWrapper, name: str) -> bool:
    """Begin the transaction that Django believes open and give it a name, in one round trip.

    Returns False if it was not sent, because the transaction has begun or is begun in a way of its own.

    Args:
        name: letters, digits and colons; the application's name while the transaction lasts.
    """
    assert name.replace(":", "").isalnum(), name
    raw: Any = connection.connection
    if raw is None or raw.autocommit or is_watched(connection):
        return False
    wire = raw.pgconn
    as_usual = raw.isolation_level is None and raw.read_only is None and raw.deferrable is None
    if not as_usual or wire.transaction_status != pq.TransactionStatus.IDLE:
        return False
    if wire.pipeline_status != pq.PipelineStatus.OFF:
        return False
    connection.validate_thread_sharing()
    with connection.wrap_database_errors, raw.lock:
        said = f"BEGIN; SELECT set_config('application_name', '{name}', true)"
        wire.send_query(said.encode())
        _finish(raw)
    return True


def is_watched(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether somebody wants to see each statement that goes over a connection."""
    return bool(
        connection.execute_wrappers
        or prepared.is_logged(connection)
        or not _IS_STOCK
        or CursorWrapper.execute is not _EXECUTE
    )


def _send(raw: Any, name: str, values: Sequence[bytes | None], formats: Sequence[int]) -> None:
    raw.pgconn.send_query_prepared(name.encode(), values, formats)
    _finish(raw)


def _finish(raw: Any) -> None:
    """Wait for the end of what was sent, as a cursor does."""
    for result in raw.wait(generators.execute(raw.pgconn)):
        if result.status not in _DONE:
            raise error_from_result(result, encoding=raw.info.encoding)
