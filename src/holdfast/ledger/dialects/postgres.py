"""The hot statements for PostgreSQL: one round trip each, clocks and conditions decided by the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from types import ModuleType
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from holdfast.conf import get_settings
from holdfast.ledger.dialects import beats
from holdfast.ledger.dialects import postgres_entries as entries
from holdfast.ledger.dialects import postgres_records as recording
from holdfast.ledger.marks import transaction_mark
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

# By this the server shows which of its sessions is claiming.
CLAIM_MARK = "WITH /* holdfast claim */"

# The server may answer before the commit is on disk. A crash of the server can undo such a commit, and
# then the job simply runs again: allowed for claims (fenced by token and worker) and for ends nobody reads.
_LAZY_COMMIT = "AND set_config('synchronous_commit', 'off', true) IS NOT NULL"

# Adding nothing to the state keeps the planner off the partial indexes on it: without fresh statistics it takes
# them for nearly empty, and reads a whole backlog to find one row. By primary key it costs the same at any size.
_IS_QUEUED = f"j.state + 0 = {State.QUEUED}"
_IS_RUNNING = f"state + 0 = {State.RUNNING}"

# The arrays come from a SELECT of their own: not knowing their length, the planner looks rows up by key also for
# many of them, and does not read the whole table.
# Nothing of a queue or a task that is paused. What is paused is read once a statement, not once a job.
_IS_NOT_PAUSED = """j.queue <> ALL (ARRAY(SELECT name::text FROM holdfast_pause WHERE kind = 'queue'))
     AND j.task <> ALL (ARRAY(SELECT name::text FROM holdfast_pause WHERE kind = 'task'))"""
_ASKED = f"""
{CLAIM_MARK} asked AS (
  SELECT * FROM unnest((SELECT %s::text[]), (SELECT %s::bigint[]), (SELECT %s::bool[])) AS t(id, token, ahead)
)"""
_TAKEN = f"""
  UPDATE holdfast_job j
     SET state = {State.RUNNING}, token = j.token + 1, attempts = j.attempts + 1,
         started_at = clock_timestamp(), worker = %s, ahead = asked.ahead
    FROM asked
   WHERE j.id = asked.id AND j.token = asked.token AND {_IS_QUEUED}
     AND (j.expires_at IS NULL OR j.expires_at > statement_timestamp())
     AND NOT (asked.ahead AND j.suspect) AND j.losses < %s AND {_IS_NOT_PAUSED}
     AND EXISTS (SELECT 1 FROM holdfast_worker w
                  WHERE w.id = %s AND w.lost_at IS NULL AND w.lease_until > statement_timestamp())
     {_LAZY_COMMIT}
  RETURNING j.id, j.token, j.attempts, j.task, j.queue, j.priority
"""
_WITH_PAYLOAD = """
SELECT c.*, p.headers, p.body, p.content_type, p.content_encoding
  FROM claimed c JOIN holdfast_payload p ON p.job = c.id
"""
_CLAIM = f"{_ASKED}, claimed AS ({_TAKEN}){_WITH_PAYLOAD}"
# The same without the rows that somebody's transaction holds.
_CLAIM_UNLOCKED = f"""{_ASKED}, unlocked AS (
  SELECT j.id FROM holdfast_job j JOIN asked ON j.id = asked.id AND j.token = asked.token AND {_IS_QUEUED}
   ORDER BY j.id FOR NO KEY UPDATE OF j SKIP LOCKED
), claimed AS ({_TAKEN.replace("FROM asked", "FROM asked JOIN unlocked USING (id)")}){_WITH_PAYLOAD}"""
_CLAIMS_UNDER_WAY = f"""
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND state = 'active' AND ltrim(query, E'\\n') LIKE '{CLAIM_MARK}%%'
   AND (query_start <= %s OR query_start > clock_timestamp())
"""
_LOCK_NOT_AVAILABLE = "55P03"
_NO_SUCH_STATEMENT = "26000"

_END = f"""
UPDATE holdfast_job SET state = {State.SUCCEEDED}, token = token + 1, finished_at = clock_timestamp()
 WHERE id = %s AND token = %s AND {_IS_RUNNING} AND worker = %s
"""

# More statements follow in this transaction: see `mark_transaction`.
_MARKED = "AND set_config('application_name', %s, true) IS NOT NULL"

_KEEP_LOG = """
INSERT INTO holdfast_attempt_log (job, number, text) SELECT id, attempts, %s FROM done
ON CONFLICT (job, number) DO UPDATE SET text = EXCLUDED.text
"""
_STORE = """
INSERT INTO holdfast_result
  (id, status, result, content_type, content_encoding, traceback, children, stored_at, bare)
SELECT id, %s, %s, %s, %s, %s, %s, clock_timestamp(), false FROM done
ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, result = EXCLUDED.result,
  content_type = EXCLUDED.content_type, content_encoding = EXCLUDED.content_encoding,
  traceback = EXCLUDED.traceback, children = EXCLUDED.children, stored_at = EXCLUDED.stored_at
"""
# Many at once, by one worker: each row by its key, whatever else of the table there is.
_ENDED = f"""
  UPDATE holdfast_job j SET state = {State.SUCCEEDED}, token = j.token + 1, finished_at = clock_timestamp()
    FROM ended
   WHERE j.id = ended.id AND j.token = ended.token AND j.{_IS_RUNNING} AND j.worker = %s
"""
_ENDS = "WITH ended AS (SELECT * FROM unnest((SELECT %s::text[]), (SELECT %s::bigint[])) AS t(id, token))"
_UNLOCKED_ENDS = f"""{_ENDS}, unlocked AS (
  SELECT j.id FROM holdfast_job j JOIN ended ON j.id = ended.id AND j.token = ended.token AND j.{_IS_RUNNING}
   ORDER BY j.id FOR NO KEY UPDATE OF j SKIP LOCKED
)"""
_UNLOCKED_ENDED = _ENDED.replace("FROM ended", "FROM ended JOIN unlocked USING (id)")
_STORE_MANY = """, stored AS (
  INSERT INTO holdfast_result
    (id, status, result, content_type, content_encoding, traceback, children, stored_at, bare)
  SELECT r.id, r.status, r.result, r.content_type, r.content_encoding, NULL, r.children, clock_timestamp(), false
    FROM unnest(%s::text[], %s::text[], %b::bytea[], %s::text[], %s::text[], %s::text[])
      AS r(id, status, result, content_type, content_encoding, children) JOIN done USING (id)
  ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, result = EXCLUDED.result,
    content_type = EXCLUDED.content_type, content_encoding = EXCLUDED.content_encoding,
    traceback = EXCLUDED.traceback, children = EXCLUDED.children, stored_at = EXCLUDED.stored_at
)"""
_KEEP_LOGS = """, logged AS (
  INSERT INTO holdfast_attempt_log (job, number, text)
  SELECT done.id, done.attempts, l.text FROM unnest(%s::text[], %b::text[]) AS l(id, text) JOIN done USING (id)
  ON CONFLICT (job, number) DO UPDATE SET text = EXCLUDED.text
)"""

_PUBLISH_DUE = f"""
UPDATE holdfast_job SET state = {State.QUEUED}, token = token + 1, published_at = clock_timestamp(),
       hold = '', due_at = NULL
 WHERE state = {State.HELD} AND id IN (
   SELECT id FROM holdfast_job WHERE state = {State.HELD} AND due_at <= statement_timestamp() AND NOT limited
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id, token, task, queue, priority
"""


_REPUBLISH = f"""
WITH lost AS (
  SELECT j.id FROM holdfast_job j JOIN unnest((SELECT %s::text[]), (SELECT %s::bigint[])) AS t(id, token)
      ON j.id = t.id AND j.token = t.token AND {_IS_QUEUED}
   ORDER BY j.id FOR NO KEY UPDATE OF j SKIP LOCKED)
UPDATE holdfast_job j SET token = token + 1, published_at = clock_timestamp() FROM lost WHERE j.id = lost.id
RETURNING j.id
"""

# Renews, and tells what every worker must know now and then: one statement a beat is all an idle worker asks.
_RENEW = f"""
UPDATE holdfast_worker SET lease_until = clock_timestamp() + %s * interval '1 second',
       heard_at = COALESCE(clock_timestamp() - %s::float8 * interval '1 second', heard_at),
       stalled_at = clock_timestamp() - %s::float8 * interval '1 second'
 WHERE id = %s AND lost_at IS NULL AND stopped_at IS NULL
RETURNING clock_timestamp(),
  {beats.STANDING % "count(*)"}, extract(epoch FROM {beats.lapse("postgresql")} - clock_timestamp())::float8,
  {beats.LEFT_BEHIND}, {beats.BOOKED}, extract(epoch FROM {beats.duty_until("postgresql")} - clock_timestamp())::float8
"""


class PostgresDialect:
    """PostgreSQL 14 and later."""

    def record(
        self, jobs: Sequence[NewJob], *, entry: Entry = NO_ENTRY
    ) -> list[tuple[str, int, int]]:
        return recording.record(_connection(), jobs, entry=entry)

    def let_in(self, jobs: Sequence[str], *, entry: Entry) -> list[Ticket]:
        return entries.let_in(_connection(), jobs, entry=entry)

    def record_fresh(self, job: NewJob) -> None:
        recording.record_fresh(_connection(), job)

    def record_alike(self, template: NewJob, rows: Iterable[list[Alike]]) -> list[str]:
        return recording.record_alike(_connection(), template, rows)

    def claim(
        self,
        tickets: Sequence[tuple[str, int, bool]],
        *,
        worker: UUID,
        losses_below: int,
        skip_locked: bool = False,
    ) -> list[ClaimedJob]:
        ids, tokens, ahead = ([t[i] for t in tickets] for i in range(3))
        with _prepared().cursor_to_look_up(_connection(), "holdfast_job") as cursor:
            cursor.execute(
                _CLAIM_UNLOCKED if skip_locked else _CLAIM,
                [ids, tokens, ahead, worker, losses_below, worker],
            )
            return [ClaimedJob.of_row(row) for row in cursor.fetchall()]

    def met_a_lock(self, error: Exception) -> bool:
        return getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE

    def missed_a_statement(self, error: Exception) -> bool:
        return getattr(error.__cause__, "sqlstate", None) == _NO_SUCH_STATEMENT

    def succeed(self, hold: Hold, *, stored: StoredResult | None, log: str = "") -> bool:
        where: list[Any] = [hold.id, hold.token, hold.worker]
        connection = _connection()
        with _prepared().cursor_to_look_up(connection, "holdfast_job") as cursor:
            end, values = _END, where
            if connection.in_atomic_block:
                end, values = _END + _MARKED, [*where, transaction_mark(hold.id, hold.token)]
            elif stored is None:
                end += _LAZY_COMMIT
            parts = [f"WITH done AS ({end} RETURNING id, attempts)"]
            if log:
                values = [*values, log]
                parts.append(f", log AS ({_KEEP_LOG})" if stored else _KEEP_LOG)
            if stored is not None:
                values = [
                    *values,
                    stored.status,
                    stored.result,
                    stored.content_type,
                    stored.content_encoding,
                    stored.traceback,
                    stored.children,
                ]
                parts.append(_STORE)
            cursor.execute(" ".join(parts) if len(parts) > 1 else end, values)
            return cursor.rowcount == 1

    def succeed_many(
        self, ends: Sequence[End], *, worker: UUID, skip_locked: bool = False
    ) -> set[str]:
        values: list[Any] = [[e.hold.id for e in ends], [e.hold.token for e in ends], worker]
        kept = [(e.hold.id, e.stored) for e in ends if e.stored is not None]
        logged = [(e.hold.id, e.log) for e in ends if e.log]
        head, end = (_UNLOCKED_ENDS, _UNLOCKED_ENDED) if skip_locked else (_ENDS, _ENDED)
        if kept:
            store = _STORE_MANY
            values += [
                [id for id, _ in kept],
                [s.status for _, s in kept],
                [s.result for _, s in kept],
                [s.content_type for _, s in kept],
                [s.content_encoding for _, s in kept],
                [s.children for _, s in kept],
            ]
        else:
            # Nobody reads them, so nobody waits for the disk.
            store, end = "", end + _LAZY_COMMIT
        if logged:
            store += _KEEP_LOGS
            values += [[id for id, _ in logged], [text for _, text in logged]]
        with _prepared().cursor_to_look_up(_connection(), "holdfast_job") as cursor:
            cursor.execute(
                f"{head}, done AS ({end} RETURNING j.id, j.attempts){store} SELECT id FROM done",
                values,
            )
            return {row[0] for row in cursor.fetchall()}

    def own_session(self) -> None:
        _prepared().own_session(_connection())

    def publish_due(self, limit: int) -> list[Ticket]:
        with _connection().cursor() as cursor:
            cursor.execute(_PUBLISH_DUE, [limit])
            return [Ticket(*row) for row in cursor.fetchall()]

    def republish(self, tickets: Sequence[Ticket]) -> set[str]:
        with _connection().cursor() as cursor:
            cursor.execute(_REPUBLISH, [[t.id for t in tickets], [t.token for t in tickets]])
            return {row[0] for row in cursor.fetchall()}

    def renew(
        self,
        worker: UUID,
        *,
        seconds: float,
        heard: float | None = None,
        stalled: float | None = None,
    ) -> Beat | None:
        with _connection().cursor() as cursor:
            cursor.execute(_RENEW, [seconds, heard, stalled, worker])
            row = cursor.fetchone()
            return beats.beat_of(row) if row else None

    def claims_under_way_since(self, moment: datetime) -> int:
        with _connection().cursor() as cursor:
            cursor.execute(_CLAIMS_UNDER_WAY, [moment])
            return int(cursor.fetchone()[0])

    def mark_transaction(self, mark: str) -> None:
        connection = _connection()
        # With its BEGIN: an atomic job waits for one answer less.
        if not _straight().begin_named(connection, mark):
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('application_name', %s, true)", [mark])

    def end_transactions(self, marks: Sequence[str]) -> int:
        with _connection().cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = ANY(%s) AND pid <> pg_backend_pid()",
                [list(marks)],
            )
            return int(cursor.fetchone()[0])

    def now(self) -> datetime:
        with _connection().cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            moment: datetime = cursor.fetchone()[0]
            return moment


def _prepared() -> ModuleType:
    # Sites on SQLite only have no psycopg.
    from holdfast.ledger.dialects import prepared

    return prepared


def _straight() -> ModuleType:
    from holdfast.ledger.dialects import straight

    return straight


def _connection() -> BaseDatabaseWrapper:
    return connections[get_settings().database]
