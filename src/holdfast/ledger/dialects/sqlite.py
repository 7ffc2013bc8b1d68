"""The hot statements for SQLite: short IMMEDIATE transactions of one writer, on one machine."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from uuid import UUID

from django.db import connections

from holdfast.conf import get_settings
from holdfast.ledger.dialects import beats
from holdfast.ledger.dialects import sqlite_records as recording
from holdfast.ledger.dialects.sqlite_records import NOW, open_cursor, transaction
from holdfast.ledger.records import (
    NO_ENTRY,
    Alike,
    Beat,
    ClaimedJob,
    End,
    Entry,
    Hold,
    NewJob,
    StoredResult,
    Ticket,
)
from holdfast.ledger.states import State

_CLAIM = f"""
UPDATE holdfast_job SET state = {State.RUNNING}, token = holdfast_job.token + 1, attempts = attempts + 1,
       started_at = {NOW}, worker = %s, ahead = asked.value ->> 2
  FROM json_each(%s) AS asked
 WHERE holdfast_job.id = asked.value ->> 0 AND holdfast_job.token = asked.value ->> 1
   AND state = {State.QUEUED} AND (expires_at IS NULL OR expires_at > {NOW})
   AND NOT (asked.value ->> 2 AND suspect) AND losses < %s
   AND NOT EXISTS (SELECT 1 FROM holdfast_pause p WHERE (p.kind = 'queue' AND p.name = holdfast_job.queue)
                                                     OR (p.kind = 'task' AND p.name = holdfast_job.task))
   AND EXISTS (SELECT 1 FROM holdfast_worker w WHERE w.id = %s AND w.lost_at IS NULL AND w.lease_until > {NOW})
RETURNING holdfast_job.id
"""

_CLAIMED = """
SELECT j.id, j.token, j.attempts, j.task, j.queue, j.priority, p.headers, p.body, p.content_type, p.content_encoding
  FROM holdfast_job j JOIN holdfast_payload p ON p.job = j.id WHERE j.id IN (SELECT value FROM json_each(%s))
"""

_END = f"""
UPDATE holdfast_job SET state = {State.SUCCEEDED}, token = token + 1, finished_at = {NOW}
 WHERE id = %s AND token = %s AND state = {State.RUNNING} AND worker = %s
"""

_END_MANY = f"""
UPDATE holdfast_job SET state = {State.SUCCEEDED}, token = holdfast_job.token + 1, finished_at = {NOW}
  FROM json_each(%s) AS ended
 WHERE holdfast_job.id = ended.value ->> 0 AND holdfast_job.token = ended.value ->> 1
   AND state = {State.RUNNING} AND worker = %s
RETURNING holdfast_job.id
"""

_RESULT = f"""
INSERT INTO holdfast_result (id, status, result, content_type, content_encoding, traceback, children, stored_at, bare)
VALUES (%s, %s, %s, %s, %s, %s, %s, {NOW}, 0)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, result = excluded.result,
  content_type = excluded.content_type, content_encoding = excluded.content_encoding,
  traceback = excluded.traceback, children = excluded.children, stored_at = excluded.stored_at
"""

_KEEP_LOG = """
INSERT INTO holdfast_attempt_log (job, number, text) SELECT id, attempts, %s FROM holdfast_job WHERE id = %s
ON CONFLICT (job, number) DO UPDATE SET text = excluded.text
"""

_PUBLISH_DUE = f"""
UPDATE holdfast_job SET state = {State.QUEUED}, token = token + 1, published_at = {NOW}, hold = '', due_at = NULL
 WHERE id IN (SELECT id FROM holdfast_job WHERE state = {State.HELD} AND due_at <= {NOW} AND NOT limited
              ORDER BY due_at LIMIT %s)
RETURNING id, token, task, queue, priority
"""


_REPUBLISH = f"""
UPDATE holdfast_job SET token = holdfast_job.token + 1, published_at = {NOW} FROM json_each(%s) AS lost
 WHERE holdfast_job.id = lost.value ->> 0 AND holdfast_job.token = lost.value ->> 1 AND state = {State.QUEUED}
RETURNING holdfast_job.id
"""

_RENEW = f"""
UPDATE holdfast_worker SET lease_until = strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s || ' seconds'),
       heard_at = COALESCE(strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s), heard_at),
       stalled_at = strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s)
 WHERE id = %s AND lost_at IS NULL AND stopped_at IS NULL
RETURNING {beats.STANDING % "count(*)"}, (julianday({beats.lapse("sqlite")}) - julianday('now')) * 86400.0,
  {beats.LEFT_BEHIND}, {beats.BOOKED}, (julianday({beats.duty_until("sqlite")}) - julianday('now')) * 86400.0
"""


class SQLiteDialect:
    """SQLite 3.38 and later, in WAL mode with IMMEDIATE transactions."""

    def record(
        self, jobs: Sequence[NewJob], *, entry: Entry = NO_ENTRY
    ) -> list[tuple[str, int, int]]:
        return recording.record(jobs, entry=entry)

    def let_in(self, jobs: Sequence[str], *, entry: Entry) -> list[Ticket]:
        return recording.let_in(jobs, entry=entry)

    def record_fresh(self, job: NewJob) -> None:
        recording.record_fresh(job)

    def record_alike(self, template: NewJob, rows: Iterable[list[Alike]]) -> list[str]:
        return recording.record_alike(template, rows)

    def claim(
        self,
        tickets: Sequence[tuple[str, int, bool]],
        *,
        worker: UUID,
        losses_below: int,
        skip_locked: bool = False,
    ) -> list[ClaimedJob]:
        del skip_locked  # nobody locks a row here
        asked = json.dumps([[id, token, int(ahead)] for id, token, ahead in tickets])
        with _lazily(), transaction(), open_cursor() as cursor:
            cursor.execute(_CLAIM, [worker.hex, asked, losses_below, worker.hex])
            ids = [row[0] for row in cursor.fetchall()]
            if not ids:
                return []
            cursor.execute(_CLAIMED, [json.dumps(ids)])
            return [ClaimedJob.of_row(row) for row in cursor.fetchall()]

    def met_a_lock(self, error: Exception) -> bool:
        """Return False: who waits here waits for the one writer, and not for a row."""
        del error
        return False

    def missed_a_statement(self, error: Exception) -> bool:
        """Return False: nothing is prepared by name."""
        del error
        return False

    def succeed(self, hold: Hold, *, stored: StoredResult | None, log: str = "") -> bool:
        end = (hold.id, hold.token, hold.worker.hex)
        if stored is None and not log:
            with _lazily(), open_cursor() as cursor:
                cursor.execute(_END, end)
                return cursor.rowcount == 1
        # Nobody reads the end of a job without a result: it may be on disk a little later.
        with nullcontext() if stored else _lazily(), transaction(), open_cursor() as cursor:
            cursor.execute(_END, end)
            if cursor.rowcount != 1:
                return False
            if log:
                cursor.execute(_KEEP_LOG, [log, hold.id])
            if stored is None:
                return True
            cursor.execute(_RESULT, _result_of(hold, stored))
            return True

    def succeed_many(
        self, ends: Sequence[End], *, worker: UUID, skip_locked: bool = False
    ) -> set[str]:
        del skip_locked  # nobody locks a row here
        asked = json.dumps([[end.hold.id, end.hold.token] for end in ends])
        is_read = any(end.stored is not None for end in ends)
        with nullcontext() if is_read else _lazily(), transaction(), open_cursor() as cursor:
            cursor.execute(_END_MANY, [asked, worker.hex])
            ended = {row[0] for row in cursor.fetchall()}
            kept = [
                _result_of(end.hold, end.stored)
                for end in ends
                if end.stored is not None and end.hold.id in ended
            ]
            if kept:
                cursor.executemany(_RESULT, kept)
            logged = [(end.log, end.hold.id) for end in ends if end.log and end.hold.id in ended]
            if logged:
                cursor.executemany(_KEEP_LOG, logged)
            return ended

    def own_session(self) -> None:
        """Do nothing: SQLite's plans are made anew, and always by the key."""

    def publish_due(self, limit: int) -> list[Ticket]:
        with open_cursor() as cursor:
            # A look takes no lock; only when something is due does it become the one writer.
            cursor.execute(
                f"SELECT 1 FROM holdfast_job WHERE state = {State.HELD} AND due_at <= {NOW} AND NOT limited "
                "LIMIT 1",
                [],
            )
            if cursor.fetchone() is None:
                return []
            cursor.execute(_PUBLISH_DUE, [limit])
            return [Ticket(*row) for row in cursor.fetchall()]

    def republish(self, tickets: Sequence[Ticket]) -> set[str]:
        with open_cursor() as cursor:
            cursor.execute(_REPUBLISH, [json.dumps([[t.id, t.token] for t in tickets])])
            return {row[0] for row in cursor.fetchall()}

    def renew(
        self,
        worker: UUID,
        *,
        seconds: float,
        heard: float | None = None,
        stalled: float | None = None,
    ) -> Beat | None:
        with open_cursor() as cursor:
            cursor.execute(_RENEW, [str(seconds), _ago(heard), _ago(stalled), worker.hex])
            row = cursor.fetchone()
            return beats.beat_of((self.now(), *row)) if row else None

    def claims_under_way_since(self, moment: datetime) -> int:
        """Return 0: there is one writer, so a claim is either over or has yet to look."""
        del moment
        return 0

    def mark_transaction(self, mark: str) -> None:
        """Do nothing: a stopped writer is ended with its process, there is no server to ask."""

    def end_transactions(self, marks: Sequence[str]) -> int:
        """Return 0: see `mark_transaction`."""
        del marks
        return 0

    def now(self) -> datetime:
        return datetime.now(UTC)


def _ago(seconds: float | None) -> str | None:
    return None if seconds is None else f"{-seconds:.3f} seconds"


@contextmanager
def _lazily() -> Iterator[None]:
    """Let the commit inside return before it is on disk, unless it is the caller's own transaction.

    The next commit that waits takes it along. A machine that loses power before that can undo it, and then the
    job simply runs again: allowed for claims (fenced by token and worker) and for ends nobody reads.
    """
    connection = connections[get_settings().database]
    connection.ensure_connection()
    raw = connection.connection
    if connection.in_atomic_block or raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        yield
        return
    (level,) = raw.execute("PRAGMA synchronous").fetchone()
    raw.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        # After an error the connection may be closed: the next one begins as configured.
        with suppress(sqlite3.ProgrammingError):
            raw.execute(f"PRAGMA synchronous = {level}")


def _result_of(hold: Hold, stored: StoredResult) -> list[str | bytes | None]:
    return [
        hold.id,
        stored.status,
        stored.result,
        stored.content_type,
        stored.content_encoding,
        stored.traceback,
        stored.children,
    ]
