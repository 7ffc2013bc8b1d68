"""How PostgreSQL lets jobs in on the strength of what was read of their limits: in the statement that queues them.

Whoever lets jobs in writes the rows of their limits. So what was counted without a lock still holds while these rows
are the versions that were read. The statement locks them if they are, and writes them. Somebody else's lock is not
waited for: he may let in, and what is not let in here waits.

Reading another version than it locks, a transaction above READ COMMITTED would fail: there nothing is let in this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import Entry, Ticket
from holdfast.ledger.states import Hold, State


def opened(gate: str = "") -> str:
    """Return the first parts of a statement that lets jobs in: `IS_OPEN` says whether it may."""
    # Where another transaction has written the row meanwhile, its new version is looked at once more, under the lock.
    return f"""fresh AS MATERIALIZED (
  SELECT l.name, seen.tokens, seen.refilled_at
    FROM unnest(%s::text[], %s::text[], %s::float8[], %s::timestamptz[]) AS seen(name, version, tokens, refilled_at)
    JOIN holdfast_limit l ON l.name = seen.name AND l.xmin = seen.version::xid
   WHERE current_setting('transaction_isolation') = 'read committed'{gate}
   ORDER BY l.name FOR NO KEY UPDATE OF l SKIP LOCKED
), written AS (
  UPDATE holdfast_limit l SET tokens = fresh.tokens, refilled_at = fresh.refilled_at FROM fresh
   WHERE l.name = fresh.name AND (SELECT count(*) FROM fresh) = %s
  RETURNING l.name
)"""


IS_OPEN = "EXISTS (SELECT 1 FROM written)"
_LET_IN = f"""
WITH {opened()}, ready AS (
  SELECT id FROM holdfast_job WHERE {IS_OPEN} AND id = ANY(%s::text[]) AND state + 0 = {State.HELD}
     AND hold = '{Hold.LIMIT}' AND limited AND (expires_at IS NULL OR expires_at > clock_timestamp())
   ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), job AS (
  UPDATE holdfast_job j SET state = {State.QUEUED}, token = token + 1, hold = '', due_at = NULL,
         published_at = clock_timestamp()
   WHERE j.id = ANY(%s::text[]) AND j.id IN (SELECT id FROM ready)
  RETURNING j.id, j.token, j.task, j.queue, j.priority
), place AS (
  UPDATE holdfast_limited SET place = {Place.ADMITTED} WHERE job = ANY(%s::text[]) AND job IN (SELECT id FROM job)
)
SELECT id, token, task, queue, priority FROM job
"""


def values(entry: Entry, *, gate: Sequence[Any] = ()) -> list[Any]:
    """Return what these parts ask, with what their gate does."""
    columns = [list(column) for column in zip(*entry, strict=True)] or [[]] * 4
    return [*columns, *gate, len(entry)]


def let_in(connection: BaseDatabaseWrapper, jobs: Sequence[str], *, entry: Entry) -> list[Ticket]:
    """Queue jobs that wait at limits, if the entry holds; return the tickets of those that still waited."""
    ids = list(jobs)
    with connection.cursor() as cursor:
        cursor.execute(_LET_IN, [*values(entry), ids, ids, ids])
        return [Ticket(*row) for row in cursor.fetchall()]
