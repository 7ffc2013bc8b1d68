"""The rows of unique keys and of the jobs that have them: read and written, with no decision in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from holdfast.ledger.database import connection
from holdfast.ledger.dialects.keys import LOOK_AFTER_SECONDS, PUT_KEYS
from holdfast.ledger.records import Entry, NewJob, UniqueRequest
from holdfast.ledger.states import Scope, State


class Key(NamedTuple):
    """A key as it was found, with the job it was given to; `fresh` until its period is over."""

    key: str
    job: str
    awaited: bool
    fresh: bool


class Holder(NamedTuple):
    """What the job of a key is doing; `late` when it will never run because its time to be of use is over."""

    id: str
    state: int
    attempts: int
    hold: str
    late: bool
    batch_id: str | None = None


class First(NamedTuple):
    """What one statement could do for a unique call: its job is new, or the key is another's."""

    key: Key
    state: int | None
    """Of the job, if it is new."""
    token: int | None
    holder: Holder | None
    """The other job, if it was there when the statement began."""


def record_one(job: NewJob, asked: UniqueRequest, *, entry: Entry) -> First | None:
    """Ask for a key, and write the job if it has it; None where that is no one statement.

    The key is locked until the transaction ends, if there is one.
    """
    if connection().vendor != "postgresql":
        return None
    from holdfast.ledger.dialects.postgres_records import record_unique

    *key, state, token, held, attempts, hold, late, batch_id = record_unique(
        connection(), job, asked, entry=entry
    )
    found = Key(*key)
    holder = None if held is None else Holder(found.job, held, attempts, hold, late, batch_id)
    return First(found, state, token, holder)


def holders(scopes: Mapping[str, str]) -> dict[str, Holder]:
    """Read the jobs of keys; those that wait are locked, those that run or are over are not held up."""
    if not scopes:
        return {}
    begun = [job for job, scope in scopes.items() if scope != Scope.QUEUED]
    found = _read(_WAITING_HOLDERS, list(scopes), begun)
    rest = [job for job in begun if job not in found]
    return found | _read(_HOLDERS, rest) if rest else found


def _read(sql: str, *ids: list[str]) -> dict[str, Holder]:
    with connection().cursor() as cursor:
        if connection().vendor == "postgresql":
            cursor.execute(sql.format(**_POSTGRES), ids)
        else:
            cursor.execute(sql.format(**_SQLITE), [json.dumps(some) for some in ids])
        rows = cursor.fetchall()
    return {
        id: Holder(id, state, attempts, hold, bool(late), batch_id)
        for id, state, attempts, hold, late, batch_id in rows
    }


_HOLDERS = """
SELECT id, state, attempts, hold, coalesce(expires_at <= {now}, {no}), batch_id FROM holdfast_job
 WHERE id IN ({ids})"""
# Adding nothing to the state keeps the planner off the small indexes on it: by key it costs the same at any size.
_WAITING_HOLDERS = f"""{_HOLDERS} AND state + 0 IN ({State.HELD}, {State.QUEUED})
   AND (attempts = 0 OR id IN ({{ids}})) ORDER BY id {{lock}}"""
_POSTGRES = {
    "now": "statement_timestamp()",
    "no": "false",
    "ids": "SELECT unnest(%s::text[])",
    "lock": "FOR NO KEY UPDATE OF holdfast_job",
}
_SQLITE = {
    "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
    "no": "0",
    "ids": "SELECT value FROM json_each(%s)",
    "lock": "",
}
_CLOCK = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'{0})"
_PUT_SQLITE = f"""
INSERT INTO holdfast_unique_key (key, job, until, awaited, given_at, look_at)
SELECT t.value ->> 0, t.value ->> 1, {_CLOCK.format(", (t.value ->> 2) || ' seconds'")}, t.value ->> 3,
       {_CLOCK.format("")}, {_CLOCK.format(f", coalesce(t.value ->> 2, {LOOK_AFTER_SECONDS}) || ' seconds'")}
  FROM json_each(%s) AS t WHERE true
ON CONFLICT (key) DO UPDATE SET {{change}}
RETURNING key, job, awaited, coalesce(until > {_CLOCK.format("")}, 0)
"""


def put(asked: Mapping[str, tuple[NewJob, UniqueRequest]], change: str) -> list[Key]:
    """Write keys, or lock those that are there; return them as they are then."""
    if not asked:
        return []
    rows = [
        (key, job.id, request.period_seconds, request.awaited)
        for key, (job, request) in asked.items()
    ]
    with connection().cursor() as cursor:
        if connection().vendor == "postgresql":
            columns = [list(column) for column in zip(*rows, strict=True)]
            cursor.execute(PUT_KEYS.format(change=change), columns)
        else:
            cursor.execute(_PUT_SQLITE.format(change=change), [json.dumps(rows)])
        return [Key(row[0], row[1], bool(row[2]), bool(row[3])) for row in cursor.fetchall()]
