"""The hot statements for SQLite: short IMMEDIATE transactions of one writer, on one machine."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from uuid import UUID

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from holdfast.conf import get_settings
from holdfast.ledger.dialects import beats
from holdfast.ledger.records import Alike, Beat, ClaimedJob, End, Hold, NewJob, StoredResult, Ticket
from holdfast.ledger.states import Hold as HoldReason
from holdfast.ledger.states import State

# SQLite has no clock but the process's. Its milliseconds sort with the microseconds Django writes, a millisecond off.
_NOW = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"


def _shifted(column: str) -> str:
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', (t.value ->> '{column}') || ' seconds')"


_RECORD = f"""
INSERT INTO holdfast_job
  (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold, reason, due_at,
   wait_seconds, expires_at, recorded_at, published_at, root_id, parent_id, group_id, ignore_result, linked, unsettled,
   kept_apart, batch_id, limited)
SELECT id, task, queue, priority, CASE WHEN held THEN {State.HELD} ELSE {State.QUEUED} END, 1, 0, 0, 0, 0, 0,
   CASE WHEN held AND hold = '' THEN '{HoldReason.ETA}' ELSE hold END, '',
   CASE WHEN held AND hold <> '{HoldReason.LIMIT}' THEN coalesce(due, {_NOW}) END,
   CASE WHEN held AND due_at IS NULL THEN coalesce(delay, 0) END, expires, {_NOW},
   CASE WHEN NOT held THEN {_NOW} END, root_id, parent_id, group_id, ignore_result, linked, 0,
   kept_apart, batch_id, limited
FROM (
  SELECT *, coalesce(hold <> '' OR limited OR due > {_NOW}, 0) AS held FROM (
    SELECT t.value ->> 'id' AS id, t.value ->> 'task' AS task, t.value ->> 'queue' AS queue,
           t.value ->> 'priority' AS priority, t.value ->> 'hold' AS hold,
           t.value ->> 'due_at' AS due_at, t.value ->> 'delay_seconds' AS delay,
           coalesce(t.value ->> 'due_at', {_shifted("delay_seconds")}) AS due,
           coalesce(t.value ->> 'expires_at', {_shifted("expires_in_seconds")}) AS expires,
           t.value ->> 'root_id' AS root_id, t.value ->> 'parent_id' AS parent_id,
           t.value ->> 'group_id' AS group_id, t.value ->> 'ignore_result' AS ignore_result,
           t.value ->> 'linked' AS linked, t.value ->> 'kept_apart' AS kept_apart, t.value ->> 'batch_id' AS batch_id,
           t.value ->> 'limited' AS limited
      FROM json_each(%s) AS t))
WHERE true
ON CONFLICT (id) DO UPDATE SET
  task = excluded.task, queue = excluded.queue, priority = excluded.priority, state = excluded.state,
  token = holdfast_job.token + 1, hold = excluded.hold, due_at = excluded.due_at, wait_seconds = excluded.wait_seconds,
  expires_at = excluded.expires_at,
  published_at = excluded.published_at, ignore_result = excluded.ignore_result, linked = excluded.linked,
  limited = excluded.limited
WHERE holdfast_job.state = {State.HELD} AND holdfast_job.hold = '{HoldReason.REPLACED}'
RETURNING id, state, token
"""

_PAYLOAD = """
INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (job) DO UPDATE SET headers = excluded.headers, body = excluded.body,
  content_type = excluded.content_type, content_encoding = excluded.content_encoding
"""

# The job of an ordinary call whose id was minted for it: there is no such row, so nothing is looked for or told.
_FRESH = f"""
INSERT INTO holdfast_job
  (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold, reason,
   recorded_at, published_at, root_id, parent_id, ignore_result, linked, unsettled, kept_apart, limited)
VALUES (%s, %s, %s, %s, {State.QUEUED}, 1, 0, 0, 0, 0, 0, '', '', {_NOW}, {_NOW}, %s, %s, %s, 0, 0, 0, 0)
"""
_ALIKE = f"""
INSERT INTO holdfast_job
  (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold, reason,
   recorded_at, published_at, root_id, parent_id, ignore_result, kept_apart, batch_id, linked, unsettled, limited)
VALUES (%s, %s, %s, %s, {State.QUEUED}, 1, 0, 0, 0, 0, 0, '', '', {_NOW}, {_NOW}, %s, %s, %s, %s, %s, 0, 0, 0)
"""
_FRESH_PAYLOAD = """
INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding) VALUES (%s, %s, %s, %s, %s)
"""

_CLAIM = f"""
UPDATE holdfast_job SET state = {State.RUNNING}, token = holdfast_job.token + 1, attempts = attempts + 1,
       started_at = {_NOW}, worker = %s, ahead = asked.value ->> 2
  FROM json_each(%s) AS asked
 WHERE holdfast_job.id = asked.value ->> 0 AND holdfast_job.token = asked.value ->> 1
   AND state = {State.QUEUED} AND (expires_at IS NULL OR expires_at > {_NOW})
   AND NOT (asked.value ->> 2 AND suspect) AND losses < %s
   AND NOT EXISTS (SELECT 1 FROM holdfast_pause p WHERE (p.kind = 'queue' AND p.name = holdfast_job.queue)
                                                     OR (p.kind = 'task' AND p.name = holdfast_job.task))
   AND EXISTS (SELECT 1 FROM holdfast_worker w WHERE w.id = %s AND w.lost_at IS NULL AND w.lease_until > {_NOW})
RETURNING holdfast_job.id
"""

_CLAIMED = """
SELECT j.id, j.token, j.attempts, j.task, j.queue, j.priority, p.headers, p.body, p.content_type, p.content_encoding
  FROM holdfast_job j JOIN holdfast_payload p ON p.job = j.id WHERE j.id IN (SELECT value FROM json_each(%s))
"""

_END = f"""
UPDATE holdfast_job SET state = {State.SUCCEEDED}, token = token + 1, finished_at = {_NOW}
 WHERE id = %s AND token = %s AND state = {State.RUNNING} AND worker = %s
"""

_END_MANY = f"""
UPDATE holdfast_job SET state = {State.SUCCEEDED}, token = holdfast_job.token + 1, finished_at = {_NOW}
  FROM json_each(%s) AS ended
 WHERE holdfast_job.id = ended.value ->> 0 AND holdfast_job.token = ended.value ->> 1
   AND state = {State.RUNNING} AND worker = %s
RETURNING holdfast_job.id
"""

_RESULT = f"""
INSERT INTO holdfast_result (id, status, result, content_type, content_encoding, traceback, children, stored_at, bare)
VALUES (%s, %s, %s, %s, %s, %s, %s, {_NOW}, 0)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, result = excluded.result,
  content_type = excluded.content_type, content_encoding = excluded.content_encoding,
  traceback = excluded.traceback, children = excluded.children, stored_at = excluded.stored_at
"""

_KEEP_LOG = """
INSERT INTO holdfast_attempt_log (job, number, text) SELECT id, attempts, %s FROM holdfast_job WHERE id = %s
ON CONFLICT (job, number) DO UPDATE SET text = excluded.text
"""

_PUBLISH_DUE = f"""
UPDATE holdfast_job SET state = {State.QUEUED}, token = token + 1, published_at = {_NOW}, hold = '', due_at = NULL
 WHERE id IN (SELECT id FROM holdfast_job WHERE state = {State.HELD} AND due_at <= {_NOW} AND NOT limited
              ORDER BY due_at LIMIT %s)
RETURNING id, token, task, queue, priority
"""


_REPUBLISH = f"""
UPDATE holdfast_job SET token = holdfast_job.token + 1, published_at = {_NOW} FROM json_each(%s) AS lost
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

    def record(self, jobs: Sequence[NewJob]) -> list[tuple[str, int, int]]:
        with _transaction(), _cursor() as cursor:
            cursor.execute(_RECORD, [json.dumps([_as_json(job) for job in jobs])])
            rows = [(row[0], row[1], row[2]) for row in cursor.fetchall()]
            new = {row[0] for row in rows}
            cursor.executemany(
                _PAYLOAD,
                [
                    (j.id, j.headers, j.body, j.content_type, j.content_encoding)
                    for j in jobs
                    if j.id in new
                ],
            )
            return rows

    def record_fresh(self, job: NewJob) -> None:
        row = (
            job.id,
            job.task,
            job.queue,
            job.priority,
            job.root_id,
            job.parent_id,
            job.ignore_result,
        )
        payload = (job.id, job.headers, job.body, job.content_type, job.content_encoding)
        with _transaction(), _cursor() as cursor:
            cursor.execute(_FRESH, row)
            cursor.execute(_FRESH_PAYLOAD, payload)

    def record_alike(self, template: NewJob, rows: Iterable[list[Alike]]) -> list[str]:
        shared = (
            template.parent_id,
            template.ignore_result,
            template.kept_apart,
            template.batch_id,
        )
        place = (template.task, template.queue, template.priority)
        kind, encoding = template.content_type, template.content_encoding
        ids: list[str] = []
        with _cursor() as cursor:
            for some in rows:
                cursor.executemany(
                    _ALIKE,
                    [(row.id, *place, template.root_id or row.id, *shared) for row in some],
                )
                cursor.executemany(_FRESH_PAYLOAD, [(*row, kind, encoding) for row in some])
                ids += [row.id for row in some]
        return ids

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
        with _lazily(), _transaction(), _cursor() as cursor:
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
            with _lazily(), _cursor() as cursor:
                cursor.execute(_END, end)
                return cursor.rowcount == 1
        # Nobody reads the end of a job without a result: it may be on disk a little later.
        with nullcontext() if stored else _lazily(), _transaction(), _cursor() as cursor:
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
        with nullcontext() if is_read else _lazily(), _transaction(), _cursor() as cursor:
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
        with _cursor() as cursor:
            # A look takes no lock; only when something is due does it become the one writer.
            cursor.execute(
                f"SELECT 1 FROM holdfast_job WHERE state = {State.HELD} AND due_at <= {_NOW} AND NOT limited "
                "LIMIT 1",
                [],
            )
            if cursor.fetchone() is None:
                return []
            cursor.execute(_PUBLISH_DUE, [limit])
            return [Ticket(*row) for row in cursor.fetchall()]

    def republish(self, tickets: Sequence[Ticket]) -> set[str]:
        with _cursor() as cursor:
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
        with _cursor() as cursor:
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


def _transaction() -> AbstractContextManager[None]:
    return transaction.atomic(using=get_settings().database)


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


def _cursor() -> CursorWrapper:
    return connections[get_settings().database].cursor()


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


def _as_json(job: NewJob) -> dict[str, object]:
    return {
        "id": job.id,
        "task": job.task,
        "queue": job.queue,
        "priority": job.priority,
        "delay_seconds": job.delay_seconds,
        "due_at": _moment(job.due_at),
        "expires_in_seconds": job.expires_in_seconds,
        "expires_at": _moment(job.expires_at),
        "hold": job.hold,
        "root_id": job.root_id,
        "parent_id": job.parent_id,
        "group_id": job.group_id,
        "batch_id": job.batch_id,
        "ignore_result": int(job.ignore_result),
        "linked": int(job.linked),
        "kept_apart": int(job.kept_apart),
        "limited": int(bool(job.limits)),
    }


def _moment(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
