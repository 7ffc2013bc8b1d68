"""Looks at limits without a lock: whether jobs may go on at once, and what the statement asks that queues them then.

One statement reads all there is to know of the limits of some jobs: the rows, what is taken, who waits. Whoever lets
jobs in writes the rows of their limits. So what was read holds as long as these rows are the same, which the statement
that queues the jobs makes sure of (`dialect().record`, `dialect().let_in`); an end that was not seen leaves more room,
never less. On SQLite, which knows no versions of rows, both are one transaction of its one writer.

Jobs go on together or not at all, and only where nobody waits before them: whom to choose is for an admission.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from holdfast.ledger.database import connection
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.limiting.rooms import Room
from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import NO_ENTRY, Entry, NewJob, Seen
from holdfast.ledger.states import State

# Up to how many at once each is asked whether it is still under way; of more it is asked only if there seems no room.
FEW = 100
_POSTGRES = {
    "version": "l.xmin::text",
    "now": "clock_timestamp()",
    "names": "= ANY(%(names)s::text[])",
    "keys": "= ANY(%(keys)s::text[])",
}
_SQLITE = {
    "version": "''",
    "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
    "names": "IN (SELECT value FROM json_each(%(names)s))",
    "keys": "IN (SELECT value FROM json_each(%(keys)s))",
}
_ADMITTED = f"""
SELECT l.name, CASE WHEN l.key {{keys}} THEN l.key END AS key, sum(l.weight) AS taken, {{queued}} AS not_begun
  FROM holdfast_limited l {{under_way}}WHERE l.place = {Place.ADMITTED} AND l.name {{names}} {{near}} GROUP BY 1, 2"""
_QUEUED = f"sum(CASE WHEN j.state = {State.QUEUED} THEN l.weight ELSE 0 END)"
# Adding nothing to the state keeps PostgreSQL's planner to the key of the job, see the claim.
_UNDER_WAY = (
    f"JOIN holdfast_job j ON j.id = l.job AND j.state + 0 IN ({State.QUEUED}, {State.RUNNING}) "
)
# Who waits is counted in the order of the index, and no further than it matters.
_LOOK = f"""
SELECT l.name, {{version}}, l.declared, l.override, l.tokens, l.refilled_at, {{now}},
       (SELECT count(*) FROM (
          SELECT 1 FROM holdfast_limited w WHERE w.place = {Place.WAITING} AND w.name = l.name {{near_waiting}}
           ORDER BY w.key, w.rank, w.id LIMIT %(line)s) AS line),
       c.key, c.taken, c.not_begun
  FROM holdfast_limit l LEFT JOIN ({_ADMITTED}) AS c ON c.name = l.name WHERE l.name {{names}}
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What came of a look."""

    entry: Entry = NO_ENTRY
    """With what all the jobs may go on; none if somebody waits before them, or not all of them fit."""
    nobody_fits: bool = False
    """Not one of them would, even if it came alone."""
    skips: bool = False
    """A job that finds no room at one of these limits is to be cancelled."""


@dataclass(slots=True)
class _Limit:
    room: Room
    version: str
    now: datetime
    waiting: int


def look(jobs: Sequence[NewJob], *, stated: Sequence[Bounds], lined_up: bool) -> Look:
    """Tell whether jobs that are due may go on at once.

    Args:
        jobs: all of them have limits.
        stated: what the code says of their limits: a hint how to look, and nothing rests on it.
        lined_up: they wait in the ledger already, each at its first limit.
    """
    own = Counter(job.limits[0].limit for job in jobs) if lined_up else Counter[str]()
    near = bool(stated) and all((b.concurrency, b.rate) == (None, None) for b in stated)
    few = near or any(b.rate is not None or (b.concurrency or 0) <= FEW for b in stated)
    answer = Look()
    for exactly in (True,) if few else (False, True):
        found = _read(jobs, line=max(own.values(), default=0) + 1, exactly=exactly, near=near)
        if near and not all(limit.room.is_by_key_alone for limit in found.values()):
            # Somebody has set other bounds at run time.
            found = _read(jobs, line=max(own.values(), default=0) + 1, exactly=True, near=False)
        answer = _answer(jobs, found, own=own, exactly=exactly)
        if answer.entry:
            break
    return answer


def _answer(
    jobs: Sequence[NewJob], found: dict[str, _Limit], *, own: Counter[str], exactly: bool
) -> Look:
    if {use.limit for job in jobs for use in job.limits} - found.keys():
        # Nobody has declared it here, or somebody has deleted it.
        return Look()
    if not exactly and any(limit.room.bounds.rate is not None for limit in found.values()):
        # Who has not begun was not counted.
        return Look()
    for limit in found.values():
        limit.room.refill(limit.now)
    others_wait = any(limit.waiting > own[name] for name, limit in found.items())
    anybody_fits = any(_fits(job, found) for job in jobs)
    if others_wait or not anybody_fits or not _take(jobs, found):
        skips = any(limit.room.bounds.skip for limit in found.values())
        return Look(nobody_fits=not anybody_fits, skips=skips)
    return Look(
        [
            Seen(name, limit.version, limit.room.tokens, limit.room.refilled_at)
            for name, limit in found.items()
        ]
    )


def _take(jobs: Sequence[NewJob], found: dict[str, _Limit]) -> bool:
    for job in jobs:
        if not _fits(job, found):
            return False
        for use in job.limits:
            found[use.limit].room.take(use)
    return True


def _fits(job: NewJob, found: dict[str, _Limit]) -> bool:
    return all(found[use.limit].room.fits(use) for use in job.limits)


def _read(jobs: Sequence[NewJob], *, line: int, exactly: bool, near: bool) -> dict[str, _Limit]:
    names = list({use.limit for job in jobs for use in job.limits})
    keys = list({use.key for job in jobs for use in job.limits})
    here = connection()
    asked: dict[str, Any] = {"names": names, "keys": keys, "line": line}
    words = _POSTGRES
    if here.vendor == "sqlite":
        words = _SQLITE
        asked |= {"names": json.dumps(names), "keys": json.dumps(keys)}
    sql = _LOOK.format(
        **words,
        queued=_QUEUED if exactly else "0",
        under_way=_UNDER_WAY if exactly else "",
        near=f"AND l.key {words['keys']} " if near else "",
        near_waiting=f"AND w.key {words['keys']} " if near else "",
    )
    with here.cursor() as cursor:
        cursor.execute(sql, asked)
        rows = cursor.fetchall()
    found: dict[str, _Limit] = {}
    for name, version, declared, override, tokens, refilled, now, waiting, *taken in rows:
        if name not in found:
            bounds = Bounds.from_text(override or declared)
            room = Room(name, bounds, tokens=tokens, refilled_at=_moment(refilled))
            found[name] = _Limit(room, version, _moment(now), waiting)
        key, weight, not_begun = taken
        if weight is not None:
            room = found[name].room
            room.taken += int(weight)
            room.not_begun += int(not_begun)
            room.by_key[key] = int(weight)
    return found


def _moment(value: Any) -> Any:
    # SQLite keeps no zone: all is in UTC.
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
