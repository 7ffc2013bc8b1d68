"""Statements PostgreSQL parses and plans once a connection, where the plan cannot go stale.

An insert has no plan to speak of. A look-up by key has: one made while the table is nearly empty reads it
whole, and goes on doing so until the server's next look at the table. So look-ups are prepared on
a connection that is the ledger's own, where such plans are forbidden, and elsewhere once the table has grown.

Django leaves prepared statements off because of connection poolers: a pooler that hands the session on loses
them. Behind one the ordinary cursor is used.

Anybody with a cursor may let go of all that is prepared (DEALLOCATE ALL, DISCARD ALL). Outside a transaction the
statement that misses it has done nothing, and is prepared again. Inside one the miss would break the caller's
transaction: there nothing is prepared but in sessions of the ledger's own, where nobody else has a cursor, and in
transactions of the ledger's own that are begun again after an error. Of an atomic job's the first miss is the last one:
from then on this process prepares nothing there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg.errors import InvalidSqlStatementName
from psycopg.pq import TransactionStatus

from holdfast.conf import get_settings
from holdfast.ledger.database import does_job_run_again, is_asked_again

# From 8 pages on an index is cheaper than reading all; this leaves room for other settings of the costs.
GROWN_PAGES = 64
LOOK_SECONDS = 60.0
# Of a session of the ledger's own. Its statements are short, and so are the waits among them: who waits longer
# waits for a transaction of the project.
LOCK_TIMEOUT = "100ms"
# A process that is frozen amid a transaction there keeps its locks for so long.
IDLE_IN_TRANSACTION_TIMEOUT = "10s"


@dataclass(slots=True)
class Session:
    """What is known of one connection."""

    direct: bool
    own: bool = False
    grown: bool = False
    looked_at: float = float("-inf")
    # Part of the statements' text: raised when the table was found small, so that older plans are not met again.
    generation: int = 0
    # What was prepared here without a cursor, and whether texts go as they are.
    names: set[str] = field(default_factory=set)
    speaks_utf8: bool = False


class Missed:
    """Whether a job of this process has run again because what was prepared for its end was gone."""

    once = False


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


class ParameterCursor(psycopg.Cursor[Any]):
    """A cursor that sends values beside the statement, and prepares nothing."""

    def execute(self, query: Any, params: Any = None, **_: Any) -> Any:
        return super().execute(query, params, prepare=False)


class StatementGone(psycopg.OperationalError):
    """Passing: whoever asks again finds a session in which nothing is prepared."""

    sqlstate = "26000"


class PreparedCursor(psycopg.Cursor[Any]):
    """A cursor that prepares whatever it executes, and leaves the connection's own setting as it was."""

    session: Session

    def execute(self, query: Any, params: Any = None, **_: Any) -> Any:
        if self.session.generation:
            query = f"{query} /* {self.session.generation} */"
        try:
            return self._execute(query, params)
        except InvalidSqlStatementName as error:
            # Somebody let go of what was prepared here: this was not executed.
            if not is_by_itself(self.connection):
                Missed.once = Missed.once or does_job_run_again()
                raise StatementGone(
                    "What was prepared in this session is gone; its transaction must be begun again"
                ) from error
            # psycopg hears it in its own words, and forgets its names as well.
            self._execute("DEALLOCATE ALL", None, prepare=False)
            self.session.names.clear()
            return self._execute(query, params)

    def _execute(self, query: Any, params: Any, *, prepare: bool = True) -> Any:
        raw = self.connection
        before, raw.prepare_threshold = raw.prepare_threshold, 0
        try:
            return super().execute(query, params, prepare=prepare)
        finally:
            raw.prepare_threshold = before


def own_session(connection: BaseDatabaseWrapper) -> None:
    """Take a connection that runs nothing but the ledger's statements.

    Its look-ups always go by an index, and it waits for no lock for long. One from Django's pool stays as
    it is: with these settings it would go back, and on to the project's own code.
    """
    session = session_of(connection)
    if session is None or not session.direct or connection.settings_dict["OPTIONS"].get("pool"):
        return
    if not session.own:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('enable_seqscan', 'off', false), "
                "set_config('plan_cache_mode', 'force_generic_plan', false), "
                "set_config('lock_timeout', %s, false), "
                "set_config('idle_in_transaction_session_timeout', %s, false)",
                [LOCK_TIMEOUT, IDLE_IN_TRANSACTION_TIMEOUT],
            )
        session.own = True


def cursor_to_insert(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """Return a cursor of Django's that prepares, or one that does not where what is prepared may be gone."""
    session = session_of(connection)
    if session is None or not session.direct:
        return connection.cursor()
    return _cursor(connection, session)


def cursor_to_look_up(connection: BaseDatabaseWrapper, table: str) -> CursorWrapper:
    """Return a cursor that prepares if it finds rows of this table by an index whatever plan it once made."""
    session = session_of(connection)
    if session is None or not session.direct:
        return connection.cursor()
    if not session.own:
        _look(connection, session, table)
        if not session.grown:
            return connection.cursor()
    return _cursor(connection, session)


def is_by_itself(raw: Any) -> bool:
    """Tell whether a statement sent now over a connection of psycopg's is a transaction of its own."""
    return bool(raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE)


def is_logged(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether somebody shows each statement as Django's own cursors tell it: Django itself, or a toolbar.

    Those put a `cursor` of their own into the connection.
    """
    return connection.queries_logged or "cursor" in vars(connection)


def _cursor(connection: BaseDatabaseWrapper, session: Session) -> CursorWrapper:
    if is_logged(connection):
        return connection.cursor()
    raw: Any = connection.connection
    repeatable = is_asked_again() or (does_job_run_again() and not Missed.once)
    if session.own or is_by_itself(raw) or repeatable:
        cursor: Any = PreparedCursor(raw)
        cursor.session = session
    else:
        cursor = ParameterCursor(raw)
    return connection.make_cursor(cursor)


def session_of(connection: BaseDatabaseWrapper) -> Session | None:
    """Return what is known of the connection, asked once; None where it cannot prepare at all.

    A pooler greets with a number of its own: then the server that answers is not the one that greeted.
    """
    connection.ensure_connection()
    raw: Any = connection.connection
    if not isinstance(raw, psycopg.Connection):
        return None
    known = _sessions.get(raw)
    if known is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            known = _sessions[raw] = Session(
                direct=get_settings().prepare_statements
                and cursor.fetchone()[0] == raw.info.backend_pid,
                speaks_utf8=raw.info.encoding == "utf-8",
            )
    return known


def _look(connection: BaseDatabaseWrapper, session: Session, table: str) -> None:
    now = time.monotonic()
    if now - session.looked_at < LOOK_SECONDS:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size(%s::regclass) >= %s * current_setting('block_size')::int",
            [table, GROWN_PAGES],
        )
        session.grown = bool(cursor.fetchone()[0])
    session.looked_at = now
    session.generation += not session.grown
