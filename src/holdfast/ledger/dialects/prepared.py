"""Statements PostgreSQL parses and plans once a connection; only where the plan cannot go stale, such as an insert.

Django leaves prepared statements off because of connection poolers: a pooler that hands the session on loses
them. Behind one the ordinary cursor is used.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

_direct: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


class PreparedCursor(psycopg.Cursor[Any]):
    """A cursor that prepares whatever it executes, and leaves the connection's own setting as it was."""

    def execute(self, query: Any, params: Any = None, **_: Any) -> Any:
        raw = self.connection
        before, raw.prepare_threshold = raw.prepare_threshold, 0
        try:
            return super().execute(query, params, prepare=True)
        finally:
            raw.prepare_threshold = before


def prepared_cursor(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """Return a cursor of Django's that prepares, or its ordinary one where there is no telling who answers."""
    connection.ensure_connection()
    raw: Any = connection.connection
    if not isinstance(raw, psycopg.Connection) or not _is_direct(raw, connection):
        return connection.cursor()
    cursor: Any = PreparedCursor(raw)
    if connection.queries_logged:
        return connection.make_debug_cursor(cursor)
    return connection.make_cursor(cursor)


def _is_direct(raw: psycopg.Connection[Any], connection: BaseDatabaseWrapper) -> bool:
    """Tell whether the server that greeted us is the one that answers: a pooler greets with a number of its own."""
    known = _direct.get(raw)
    if known is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            known = _direct[raw] = cursor.fetchone()[0] == raw.info.backend_pid
    return known
