"""What a PostgreSQL server says of itself, of who is connected, and of the ledger's tables and indexes in it.

Nothing here reads a row of the ledger: every statement asks the server's own catalogue and figures, whose size follows
the number of tables and connections. Times are in seconds, by the server's clock. A role that is no superuser is shown
no statements of other roles: their text is empty then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdfast.ledger.database import connection
from holdfast.ledger.reads import structure

_SETTINGS = (
    "autovacuum",
    "default_transaction_read_only",
    "fsync",
    "full_page_writes",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "max_connections",
    "reserved_connections",
    "server_version",
    "statement_timeout",
    "superuser_reserved_connections",
    "synchronous_commit",
    "transaction_timeout",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many connections there may be, and how many there are."""

    most: int
    """What `max_connections`, or a lower limit of the database or the role, leaves to this role."""
    used: int
    """Those of everybody that count against it."""
    by: str
    """Which of the limits it is: the name of a setting, or `database` or `role` with its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A transaction that is open now."""

    pid: int
    user: str
    application: str
    seconds: float
    """How long it has been open."""
    idle_seconds: float | None
    """For how long its client has asked nothing; None while a statement of it runs."""
    holds: bool
    """Whether it has locked rows of the ledger's jobs."""
    statement: str
    """The latest one, cut to 200 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """One of the ledger's tables, by the server's own figures."""

    name: str
    live: int
    dead: int
    """Row versions that a vacuum could take away, as an estimate."""
    bytes: int
    vacuumed: bool
    """Whether autovacuum is on for it."""


def settings() -> dict[str, str]:
    """Return the settings that matter to the ledger, as they stand for a session of this role in this database."""
    names = list(_SETTINGS)
    return dict(_rows("SELECT name, reset_val FROM pg_settings WHERE name = ANY(%s)", names))


def is_replica() -> bool:
    """Tell whether the server only follows another one."""
    return bool(_rows("SELECT pg_is_in_recovery()")[0][0])


def room() -> Room:
    """Return the narrowest limit of connections for this role, and what is taken of it."""
    ((most, by, used),) = _rows(
        """
        WITH clients AS (SELECT datname, usename FROM pg_stat_activity WHERE backend_type = 'client backend'),
        limits (most, by, used) AS (
            SELECT current_setting('max_connections')::int
                - CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN 0
                  ELSE current_setting('superuser_reserved_connections')::int
                     + coalesce(current_setting('reserved_connections', true)::int, 0) END,
                'max_connections', (SELECT count(*) FROM clients)
            UNION ALL
            SELECT datconnlimit, 'database ' || datname, (SELECT count(*) FROM clients c WHERE c.datname = d.datname)
            FROM pg_database d WHERE datname = current_database() AND datconnlimit >= 0
            UNION ALL
            SELECT rolconnlimit, 'role ' || rolname, (SELECT count(*) FROM clients c WHERE c.usename = r.rolname)
            FROM pg_roles r WHERE rolname = current_user AND rolconnlimit >= 0
        )
        SELECT most, by, used FROM limits ORDER BY most - used LIMIT 1
        """
    )
    return Room(most=most, used=used, by=by)


def transactions(*, older_than: float) -> list[Transaction]:
    """Return the transactions of others on this database that have been open for so many seconds, the oldest first."""
    rows = _rows(
        """
        SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''),
            extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
            CASE WHEN a.state LIKE 'idle in transaction%%'
                 THEN extract(epoch FROM clock_timestamp() - a.state_change)::float8 END,
            EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.relation = to_regclass('holdfast_job')
                AND l.mode IN ('RowShareLock', 'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                               'AccessExclusiveLock', 'ShareLock')),
            left(regexp_replace(coalesce(a.query, ''), '\\s+', ' ', 'g'), 200)
        FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
            AND a.xact_start < clock_timestamp() - %s * interval '1 second'
        ORDER BY a.xact_start LIMIT 20
        """,
        older_than,
    )
    return [
        Transaction(
            pid=pid,
            user=user,
            application=application,
            seconds=seconds,
            idle_seconds=idle,
            holds=holds,
            statement=statement,
        )
        for pid, user, application, seconds, idle, holds, statement in rows
    ]


def tables() -> list[TableState]:
    """Return the state of each of the ledger's tables."""
    rows = _rows(
        """
        SELECT s.relname, s.n_live_tup, s.n_dead_tup, pg_total_relation_size(s.relid),
            NOT coalesce('autovacuum_enabled=false' = ANY(c.reloptions)
                      OR 'autovacuum_enabled=off' = ANY(c.reloptions), false)
        FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
        WHERE s.relname = ANY(%s) AND s.schemaname = ANY(current_schemas(false)) ORDER BY s.relname
        """,
        structure.table_names(),
    )
    return [
        TableState(name=name, live=live, dead=dead, bytes=size, vacuumed=vacuumed)
        for name, live, dead, size, vacuumed in rows
    ]


def is_pooled() -> bool:
    """Tell whether another server answers than the one that greeted: a pooler is between it and us."""
    here = connection()
    here.ensure_connection()
    raw: Any = here.connection
    info = getattr(raw, "info", None)
    ((pid,),) = _rows("SELECT pg_backend_pid()")
    return info is not None and info.backend_pid != pid


def answer() -> None:
    """Let the server answer a question that costs it nothing."""
    _rows("SELECT 1")


def commit_nothing() -> None:
    """Commit a transaction that waits for the disk and changes no row: a message in the log of the database alone."""
    _rows("SELECT pg_logical_emit_message(true, 'holdfast', 'how long does a commit take?')")


def _rows(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection().cursor() as cursor:
        cursor.execute(statement, list(values))
        return list(cursor.fetchall())
