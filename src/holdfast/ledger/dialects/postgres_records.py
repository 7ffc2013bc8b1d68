"""How PostgreSQL writes new jobs: one statement for any number of them, and short ones for what most calls are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from holdfast.ledger.dialects import postgres_entries as entries
from holdfast.ledger.dialects.keys import PUT_KEYS, keep_keys
from holdfast.ledger.dialects.places import places_of
from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import NO_ENTRY, Alike, Entry, NewJob, UniqueRequest
from holdfast.ledger.states import Hold as HoldReason
from holdfast.ledger.states import State

# The id of a job that waits for its replacement is the replacement's; any other id that is there stays as it is.
_REPLACES = f"""ON CONFLICT (id) DO UPDATE SET
     task = EXCLUDED.task, queue = EXCLUDED.queue, priority = EXCLUDED.priority, state = EXCLUDED.state,
     token = j.token + 1, hold = EXCLUDED.hold, due_at = EXCLUDED.due_at, wait_seconds = EXCLUDED.wait_seconds,
     expires_at = EXCLUDED.expires_at,
     published_at = EXCLUDED.published_at, ignore_result = EXCLUDED.ignore_result, linked = EXCLUDED.linked,
     limited = EXCLUDED.limited
   WHERE j.state = {State.HELD} AND j.hold = '{HoldReason.REPLACED}'"""
_REWRITES = """ON CONFLICT (job) DO UPDATE SET headers = EXCLUDED.headers, body = EXCLUDED.body,
     content_type = EXCLUDED.content_type, content_encoding = EXCLUDED.content_encoding"""


def _of_many(
    opened: str = "",
    *,
    wanted: str = "",
    room: str = "false",
    places: str = "",
    told: str = "SELECT id, state, token FROM job",
) -> str:
    # Headers and bodies go in binary: in a text array each of their quotes would have to be escaped.
    return f"""
WITH {opened}incoming AS (
  SELECT t.*,
         coalesce(t.due_at, statement_timestamp() + t.delay * interval '1 second') AS due,
         coalesce(t.expires_at, statement_timestamp() + t.expires_in * interval '1 second') AS expires
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::smallint[], %s::float8[], %s::timestamptz[], %s::float8[],
              %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bool[], %s::bool[],
              %s::bool[], %s::text[], %s::bool[], %b::text[], %b::bytea[], %s::text[], %s::text[])
    AS t(id, task, queue, priority, delay, due_at, expires_in, expires_at, hold, root_id, parent_id, group_id,
         ignore_result, linked, kept_apart, batch_id, limited, headers, body, content_type, content_encoding){wanted}
), placed AS (
  SELECT incoming.*, CASE WHEN hold = '{HoldReason.LIMIT}' THEN NOT {room}
                          ELSE (hold <> '' OR limited OR due > statement_timestamp()) IS TRUE END AS held FROM incoming
), job AS (
  INSERT INTO holdfast_job AS j
    (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold, reason,
     due_at, wait_seconds, expires_at, recorded_at, published_at, root_id, parent_id, group_id, ignore_result, linked,
     unsettled,
     kept_apart, batch_id, limited)
  SELECT id, task, queue, priority, CASE WHEN held THEN {State.HELD} ELSE {State.QUEUED} END, 1, 0, 0, 0, false, false,
     CASE WHEN NOT held THEN '' WHEN hold = '' THEN '{HoldReason.ETA}' ELSE hold END, '',
     CASE WHEN held AND hold <> '{HoldReason.LIMIT}' THEN coalesce(due, statement_timestamp()) END,
     CASE WHEN held AND due_at IS NULL THEN coalesce(delay, 0) END, expires,
     statement_timestamp(), CASE WHEN NOT held THEN statement_timestamp() END, root_id, parent_id, group_id,
     ignore_result, linked, false, kept_apart, batch_id, limited
  FROM placed
  {_REPLACES}
  RETURNING j.id, j.state, j.token
), payload AS (
  INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding)
  SELECT p.id, p.headers, p.body, p.content_type, p.content_encoding FROM placed p JOIN job USING (id)
  {_REWRITES}
){places}
{told}
"""


_RECORD = _of_many()
# Where each job stands at its limits, in the order of the jobs: it is the order of the line. A job that took another's
# place had rows of its own, which are written over.
_PLACES = f""", place AS (
  INSERT INTO holdfast_limited (job, name, key, weight, rank, place)
  SELECT u.job, u.name, u.key, u.weight, u.rank,
         CASE WHEN job.state = {State.QUEUED} THEN {Place.ADMITTED} ELSE u.place END
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::smallint[], %s::smallint[]) WITH ORDINALITY
      AS u(job, name, key, weight, rank, place, number) JOIN job ON job.id = u.job
   ORDER BY u.number
  ON CONFLICT (job, name) DO UPDATE SET
    key = EXCLUDED.key, weight = EXCLUDED.weight, rank = EXCLUDED.rank, place = EXCLUDED.place
)"""
_RECORD_LIMITED = _of_many(f"{entries.opened()}, ", room=entries.IS_OPEN, places=_PLACES)
# Of keys that are there already nothing is changed, and each is locked.
_PUT = PUT_KEYS.format(change=keep_keys("postgresql"))
# What is written here the last part does not see: a job that it finds was there before.
_KEYS_TOLD = """SELECT put.key, put.job, put.awaited, put.fresh, job.state, job.token,
       h.state, h.attempts, h.hold, h.late, h.batch_id
  FROM put LEFT JOIN job ON job.id = put.job LEFT JOIN LATERAL (
    SELECT state, attempts, hold, coalesce(expires_at <= statement_timestamp(), false) AS late, batch_id
      FROM holdfast_job WHERE id = put.job OFFSET 0) AS h ON true"""
_KEY_IS_OURS = "(SELECT job FROM put) = %s"
_RECORD_UNIQUE = _of_many(
    f"put AS ({_PUT}), ", wanted=" WHERE t.id IN (SELECT job FROM put)", told=_KEYS_TOLD
)
# The key comes first: nobody waits for it with a limit's lock in his hands.
_RECORD_UNIQUE_LIMITED = _of_many(
    f"put AS ({_PUT}), {entries.opened(f' AND {_KEY_IS_OURS}')}, ",
    wanted=" WHERE t.id IN (SELECT job FROM put)",
    room=entries.IS_OPEN,
    places=_PLACES,
    told=_KEYS_TOLD,
)


def _of_one(column: str = "", value: str = "") -> str:
    # The same for the one job of an ordinary call: no clock is asked for, and a sixth of the work for the server.
    return f"""
WITH job AS (
  INSERT INTO holdfast_job AS j
    (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold, reason,
     recorded_at, published_at, root_id, parent_id, group_id, ignore_result, linked, unsettled{column})
  VALUES (%s, %s, %s, %s, {State.QUEUED}, 1, 0, 0, 0, false, false, '', '',
     statement_timestamp(), statement_timestamp(), %s, %s, %s, %s, %s, false{value})
  {_REPLACES}
  RETURNING j.id, j.state, j.token
), payload AS (
  INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding)
  SELECT id, %s, %s, %s, %s FROM job
  {_REWRITES}
)
SELECT id, state, token FROM job
"""


_RECORD_ONE = _of_one()
# Those that are in no batch do not name the column.
_RECORD_MEMBER = _of_one(", batch_id", ", %s")

# The job of an ordinary call whose id was minted for it: there is no such row, so nothing is looked for or told.
_FRESH = f"""
WITH job AS (
  INSERT INTO holdfast_job
    (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold, reason,
     recorded_at, published_at, root_id, parent_id, ignore_result, linked, unsettled)
  VALUES ($1, $2, $3, $4, {State.QUEUED}, 1, 0, 0, 0, false, false, '', '',
     statement_timestamp(), statement_timestamp(), $5, $6, $7, false, false)
)
INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding) VALUES ($8, $9, $10, $11, $12)
"""
_FRESH_BY_CURSOR = re.sub(r"\$\d+", "%s", _FRESH)
# Numbers and flags go as text, texts and bytes as they are: with their lengths, so that nothing in them ends them.
_FORMATS = (1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1)


def record(
    connection: BaseDatabaseWrapper, jobs: Sequence[NewJob], *, entry: Entry = NO_ENTRY
) -> list[tuple[str, int, int]]:
    """Insert jobs with their payloads and their places at limits; return (id, state, token) of those that are new.

    Those that are to wait at a limit are queued if the entry holds.
    """
    limited = [job for job in jobs if job.limits]
    if len(jobs) == 1 and not limited and _is_plain(jobs[0]):
        return _record_one(connection, jobs[0])
    columns = _columns(jobs)
    if limited:
        columns = [*entries.values(entry), *columns, *_places(limited)]
    # For one job, such as a limited one, its plan would cost more than the insert: it is kept.
    one = len(jobs) == 1
    with _prepared().cursor_to_insert(connection) if one else connection.cursor() as cursor:
        cursor.execute(_RECORD_LIMITED if limited else _RECORD, columns)
        return [(row[0], row[1], row[2]) for row in cursor.fetchall()]


def record_unique(
    connection: BaseDatabaseWrapper, job: NewJob, asked: UniqueRequest, *, entry: Entry = NO_ENTRY
) -> tuple[Any, ...]:
    """Ask for the key of one job, and insert the job if it is given to it.

    Return the key, its job, whether that is awaited, whether the key's period lasts; the state and token of the job if
    it is new; and of the key's job, if it was there when the statement began: state, attempts, hold, late, batch.
    """
    columns: list[Any] = _columns([job])
    sql = _RECORD_UNIQUE
    if job.limits:
        sql = _RECORD_UNIQUE_LIMITED
        columns = [*entries.values(entry, gate=[job.id]), *columns, *_places([job])]
    key = [[asked.key], [job.id], [asked.period_seconds], [asked.awaited]]
    with _prepared().cursor_to_look_up(connection, "holdfast_job") as cursor:
        cursor.execute(sql, [*key, *columns])
        row: tuple[Any, ...] = cursor.fetchone()
        return row


def record_fresh(connection: BaseDatabaseWrapper, job: NewJob) -> None:
    """Insert a queued job whose id was minted for this call."""
    values = [
        job.id.encode(),
        job.task.encode(),
        job.queue.encode(),
        b"%d" % job.priority,
        job.root_id and job.root_id.encode(),
        job.parent_id and job.parent_id.encode(),
        b"t" if job.ignore_result else b"f",
        job.id.encode(),
        job.headers.encode(),
        job.body,
        job.content_type.encode(),
        job.content_encoding.encode(),
    ]
    if not _straight().insert(connection, "holdfast_fresh", _FRESH, values, _FORMATS):
        plain = [job.id, job.task, job.queue, job.priority, job.root_id, job.parent_id]
        payload = [job.id, job.headers, job.body, job.content_type, job.content_encoding]
        with _prepared().cursor_to_insert(connection) as cursor:
            cursor.execute(_FRESH_BY_CURSOR, [*plain, job.ignore_result, *payload])


def record_alike(
    connection: BaseDatabaseWrapper, template: NewJob, rows: Iterable[list[Alike]]
) -> list[str]:
    """Insert many queued jobs that are alike, in the open transaction; return their ids."""
    if not _straight().is_watched(connection) and connection.connection.info.encoding == "utf-8":
        from holdfast.ledger.dialects.postgres_copy import copy

        return copy(connection, template, rows)
    ids = []
    for some in rows:
        record(connection, [row.as_job(template) for row in some])
        ids += [row.id for row in some]
    return ids


def _record_one(connection: BaseDatabaseWrapper, job: NewJob) -> list[tuple[str, int, int]]:
    values: list[Any] = [
        job.id,
        job.task,
        job.queue,
        job.priority,
        job.root_id,
        job.parent_id,
        job.group_id,
        job.ignore_result,
        job.linked,
        *([job.batch_id] if job.batch_id else []),
        job.headers,
        job.body,
        job.content_type,
        job.content_encoding,
    ]
    with _prepared().cursor_to_insert(connection) as cursor:
        cursor.execute(_RECORD_MEMBER if job.batch_id else _RECORD_ONE, values)
        return [(row[0], row[1], row[2]) for row in cursor.fetchall()]


def _columns(jobs: Sequence[NewJob]) -> list[Any]:
    return [
        [j.id for j in jobs],
        [j.task for j in jobs],
        [j.queue for j in jobs],
        [j.priority for j in jobs],
        [j.delay_seconds for j in jobs],
        [j.due_at for j in jobs],
        [j.expires_in_seconds for j in jobs],
        [j.expires_at for j in jobs],
        [j.hold for j in jobs],
        [j.root_id for j in jobs],
        [j.parent_id for j in jobs],
        [j.group_id for j in jobs],
        [j.ignore_result for j in jobs],
        [j.linked for j in jobs],
        [j.kept_apart for j in jobs],
        [j.batch_id for j in jobs],
        [bool(j.limits) for j in jobs],
        [j.headers for j in jobs],
        [j.body for j in jobs],
        [j.content_type for j in jobs],
        [j.content_encoding for j in jobs],
    ]


def _places(jobs: Sequence[NewJob]) -> list[list[Any]]:
    return [list(column) for column in zip(*places_of(jobs), strict=True)]


def _is_plain(job: NewJob) -> bool:
    """Tell whether a job is queued whatever the clock says, and has nothing that few jobs have."""
    times = (job.delay_seconds, job.due_at, job.expires_in_seconds, job.expires_at)
    return not (job.hold or job.kept_apart) and times == (None, None, None, None)


def _prepared() -> ModuleType:
    # Sites on SQLite only have no psycopg.
    from holdfast.ledger.dialects import prepared

    return prepared


def _straight() -> ModuleType:
    from holdfast.ledger.dialects import straight

    return straight
