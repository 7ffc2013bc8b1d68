"""How SQLite writes new jobs: short statements of one writer, on one machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from django.db import connections
from django.db import transaction as transactions
from django.db.backends.utils import CursorWrapper
from django.db.transaction import Atomic

from holdfast.conf import get_settings
from holdfast.ledger.dialects.places import places_of
from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import NO_ENTRY, Alike, Entry, NewJob, Ticket
from holdfast.ledger.states import Hold as HoldReason
from holdfast.ledger.states import State

# SQLite has no clock but the process's. Its milliseconds sort with the microseconds Django writes, a millisecond off.
NOW = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"


def _shifted(column: str) -> str:
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', (t.value ->> '{column}') || ' seconds')"


_RECORD = f"""
INSERT INTO holdfast_job
  (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold, reason, due_at,
   wait_seconds, expires_at, recorded_at, published_at, root_id, parent_id, group_id, ignore_result, linked, unsettled,
   kept_apart, batch_id, limited)
SELECT id, task, queue, priority, CASE WHEN held THEN {State.HELD} ELSE {State.QUEUED} END, 1, 0, 0, 0, 0, 0,
   CASE WHEN NOT held THEN '' WHEN hold = '' THEN '{HoldReason.ETA}' ELSE hold END, '',
   CASE WHEN held AND hold <> '{HoldReason.LIMIT}' THEN coalesce(due, {NOW}) END,
   CASE WHEN held AND due_at IS NULL THEN coalesce(delay, 0) END, expires, {NOW},
   CASE WHEN NOT held THEN {NOW} END, root_id, parent_id, group_id, ignore_result, linked, 0,
   kept_apart, batch_id, limited
FROM (
  SELECT *, CASE WHEN hold = '{HoldReason.LIMIT}' THEN NOT %s ELSE coalesce(hold <> '' OR limited OR due > {NOW}, 0) END
         AS held FROM (
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

# A job that took another's place had places of its own: they are written over.
_PLACE = """
INSERT INTO holdfast_limited (job, name, key, weight, rank, place) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (job, name) DO UPDATE SET
  key = excluded.key, weight = excluded.weight, rank = excluded.rank, place = excluded.place
"""
# There is one writer: what it has read of the limits in its transaction holds, whatever version they are.
_LET_IN = f"""
UPDATE holdfast_job SET state = {State.QUEUED}, token = token + 1, hold = '', due_at = NULL, published_at = {NOW}
 WHERE id IN (SELECT value FROM json_each(%s)) AND state = {State.HELD} AND hold = '{HoldReason.LIMIT}' AND limited
   AND (expires_at IS NULL OR expires_at > {NOW})
RETURNING id, token, task, queue, priority
"""
_ADMITTED = f"""
UPDATE holdfast_limited SET place = {Place.ADMITTED} WHERE job IN (SELECT value FROM json_each(%s))
"""
_BUCKET = "UPDATE holdfast_limit SET tokens = %s, refilled_at = %s WHERE name = %s"

# The job of an ordinary call whose id was minted for it: there is no such row, so nothing is looked for or told.
_FRESH = f"""
INSERT INTO holdfast_job
  (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold, reason,
   recorded_at, published_at, root_id, parent_id, ignore_result, linked, unsettled, kept_apart, limited)
VALUES (%s, %s, %s, %s, {State.QUEUED}, 1, 0, 0, 0, 0, 0, '', '', {NOW}, {NOW}, %s, %s, %s, 0, 0, 0, 0)
"""
_ALIKE = f"""
INSERT INTO holdfast_job
  (id, task, queue, priority, state, token, attempts, failures, losses, suspect, ahead, hold, reason,
   recorded_at, published_at, root_id, parent_id, ignore_result, kept_apart, batch_id, linked, unsettled, limited)
VALUES (%s, %s, %s, %s, {State.QUEUED}, 1, 0, 0, 0, 0, 0, '', '', {NOW}, {NOW}, %s, %s, %s, %s, %s, 0, 0, 0)
"""
_FRESH_PAYLOAD = """
INSERT INTO holdfast_payload (job, headers, body, content_type, content_encoding) VALUES (%s, %s, %s, %s, %s)
"""


def record(jobs: Sequence[NewJob], *, entry: Entry = NO_ENTRY) -> list[tuple[str, int, int]]:
    """Insert jobs with their payloads and their places at limits; return (id, state, token) of those that are new."""
    with transaction(), open_cursor() as cursor:
        is_open = bool(entry)
        cursor.execute(_RECORD, [is_open, json.dumps([_as_json(job) for job in jobs])])
        rows = [(row[0], row[1], row[2]) for row in cursor.fetchall()]
        new = {row[0]: row[1] for row in rows}
        cursor.executemany(
            _PAYLOAD,
            [
                (j.id, j.headers, j.body, j.content_type, j.content_encoding)
                for j in jobs
                if j.id in new
            ],
        )
        places = places_of(job for job in jobs if job.limits and job.id in new)
        if places:
            cursor.executemany(
                _PLACE,
                [
                    row._replace(place=Place.ADMITTED) if new[row.job] == State.QUEUED else row
                    for row in places
                ],
            )
        if is_open:
            _write_buckets(cursor, entry)
        return rows


def let_in(jobs: Sequence[str], *, entry: Entry) -> list[Ticket]:
    """Queue jobs that wait at limits; return the tickets of those that still waited."""
    asked = json.dumps(list(jobs))
    with transaction(), open_cursor() as cursor:
        cursor.execute(_LET_IN, [asked])
        tickets = [Ticket(*row) for row in cursor.fetchall()]
        cursor.execute(_ADMITTED, [json.dumps([ticket.id for ticket in tickets])])
        _write_buckets(cursor, entry)
        return tickets


def record_fresh(job: NewJob) -> None:
    """Insert a queued job whose id was minted for this call."""
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
    with transaction(), open_cursor() as cursor:
        cursor.execute(_FRESH, row)
        cursor.execute(_FRESH_PAYLOAD, payload)


def record_alike(template: NewJob, rows: Iterable[list[Alike]]) -> list[str]:
    """Insert many queued jobs that are alike, in the open transaction; return their ids."""
    shared = (
        template.parent_id,
        template.ignore_result,
        template.kept_apart,
        template.batch_id,
    )
    place = (template.task, template.queue, template.priority)
    kind, encoding = template.content_type, template.content_encoding
    ids: list[str] = []
    with open_cursor() as cursor:
        for some in rows:
            cursor.executemany(
                _ALIKE,
                [(row.id, *place, template.root_id or row.id, *shared) for row in some],
            )
            cursor.executemany(_FRESH_PAYLOAD, [(*row, kind, encoding) for row in some])
            ids += [row.id for row in some]
    return ids


def transaction() -> Atomic:
    """Open a transaction on the ledger's database, or join the caller's."""
    return transactions.atomic(using=get_settings().database)


def open_cursor() -> CursorWrapper:
    """Return a cursor of this thread's connection to the ledger's database."""
    return connections[get_settings().database].cursor()


def _write_buckets(cursor: CursorWrapper, entry: Entry) -> None:
    buckets = [
        (seen.tokens, _moment(seen.refilled_at), seen.limit)
        for seen in entry
        if seen.refilled_at is not None
    ]
    if buckets:
        cursor.executemany(_BUCKET, buckets)


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
