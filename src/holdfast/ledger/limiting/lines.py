"""The statements of an admission: who waits at a limit, who was let in, and what is written of that.

Every one goes by an index of those that wait or of those that are in: none reads the history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Exists, OuterRef, When

from holdfast.ledger import interventions
from holdfast.ledger.database import alias, connection
from holdfast.ledger.fence import RISE, cancelled, job_rows, lock
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.limiting.limits import UNDER_WAY, limit_rows, limited_rows
from holdfast.ledger.limiting.rooms import Room
from holdfast.ledger.models import Job
from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import Ticket, Use
from holdfast.ledger.states import Hold, Reason, State

SKIPPED_AT_ONCE = 500
_WAITING = f"place = {Place.WAITING}"
_ADMITTED = f"l.place = {Place.ADMITTED}"
# Adding nothing to the state keeps PostgreSQL's planner to the key of the job, see the claim.
_COUNT = f"""
SELECT l.name, l.key, sum(l.weight), sum(CASE WHEN j.state = {State.QUEUED} THEN l.weight ELSE 0 END)
  FROM holdfast_limited l JOIN holdfast_job j ON j.id = l.job
 WHERE {_ADMITTED} AND l.name IN (%(names)s) AND j.state + 0 IN ({State.QUEUED}, {State.RUNNING})
 GROUP BY l.name, l.key
"""
_COUNT_ROUGHLY = f"""
SELECT l.name, l.key, sum(l.weight), 0 FROM holdfast_limited l WHERE {_ADMITTED} AND l.name IN (%(names)s)
 GROUP BY l.name, l.key
"""
_ROUND = f"""
  SELECT (SELECT key FROM holdfast_limited WHERE {_WAITING} AND name = %s AND key {{begin}} ORDER BY key LIMIT 1), 1
  UNION ALL
  SELECT (SELECT l.key FROM holdfast_limited l WHERE l.{_WAITING} AND l.name = %s AND l.key > {{table}}.key
           ORDER BY l.key LIMIT 1), n + 1
    FROM {{table}} WHERE {{table}}.key IS NOT NULL AND n < %s"""
# The keys behind the last one, and then those from the beginning: one short look for each.
_KEYS = f"""
WITH RECURSIVE rest(key, n) AS ({_ROUND.format(table="rest", begin="> %s")}),
               first(key, n) AS ({_ROUND.format(table="first", begin=">= ''")})
SELECT key FROM (SELECT key, 0 AS part, n FROM rest UNION ALL SELECT key, 1, n FROM first) AS keys
 WHERE key IS NOT NULL ORDER BY part, n
"""
_NAMES = f"""
WITH RECURSIVE k(name, n) AS (
  SELECT (SELECT name FROM holdfast_limited WHERE {_WAITING} AND name > %s ORDER BY name LIMIT 1), 1
  UNION ALL
  SELECT (SELECT l.name FROM holdfast_limited l WHERE l.{_WAITING} AND l.name > k.name ORDER BY l.name LIMIT 1), n + 1
    FROM k WHERE k.name IS NOT NULL AND n < %s)
SELECT name FROM k WHERE name IS NOT NULL
"""
_HEAD = f"""SELECT * FROM (SELECT id, job, key, rank FROM holdfast_limited
 WHERE {_WAITING} AND name = %s AND key = %s ORDER BY rank, id LIMIT %s) AS head"""
_HEADS = """
SELECT line.job, line.key, u.name, u.key, u.weight
  FROM ({heads}) AS line JOIN holdfast_limited u ON u.job = line.job ORDER BY line.rank, line.id, u.id
"""
_AHEAD = f"""
SELECT (SELECT id FROM holdfast_limited WHERE {_WAITING} AND name = %s {{line}} ORDER BY key, rank, id LIMIT 1),
       (SELECT id FROM holdfast_limited WHERE job = %s AND name = %s)
"""
# An admission locks the job before it lets it in: of one that is found
# here to be over, no new attempt is under way before this has committed.
# Who counts asks the job too: nothing is lost with such a commit, so it need not wait for the disk.
_LEAVE = f"""
UPDATE holdfast_limited SET place = {Place.AWAY} WHERE place = {Place.ADMITTED} AND job IN (
  SELECT id FROM holdfast_job WHERE id IN (%(jobs)s) AND state + 0 NOT IN ({State.QUEUED}, {State.RUNNING})
   ORDER BY id %(lock)s) %(lazily)s
RETURNING name, key
"""
_LET_IN = f"""
UPDATE holdfast_job SET state = {State.QUEUED}, token = token + 1, hold = '', due_at = NULL, published_at = %(now)s
 WHERE id IN (
  SELECT id FROM holdfast_job WHERE id IN (%(jobs)s) AND state + 0 = {State.HELD} AND hold = '{Hold.LIMIT}' AND limited
     AND (expires_at IS NULL OR expires_at > %(now)s) ORDER BY id %(lock)s)
RETURNING id, token, task, queue, priority
"""
_ADMIT = f"UPDATE holdfast_limited SET place = {Place.ADMITTED} WHERE job IN (%(jobs)s)"
# PostgreSQL does both at once, and tells of a leave who waits at these limits.
_LET_IN_AT_ONCE = f"WITH job AS ({_LET_IN}), place AS ({_ADMIT} AND job IN (SELECT id FROM job)) SELECT * FROM job"
_LEAVE_AND_LOOK = f"""
WITH gone AS ({_LEAVE}) SELECT name, key, NULL::bool FROM gone UNION ALL
SELECT n, NULL, (SELECT true FROM holdfast_limited WHERE {_WAITING} AND name = n ORDER BY key, rank, id LIMIT 1) IS TRUE
  FROM unnest(%%s::text[]) AS n
"""
_WORDS = {
    "postgresql": {
        "now": "clock_timestamp()",
        "lock": "FOR NO KEY UPDATE SKIP LOCKED",
        "lazily": "AND set_config('synchronous_commit', 'off', true) IS NOT NULL",
    },
    "sqlite": {"now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')", "lock": "", "lazily": ""},
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One job at the head of a line, with all it takes of all its limits; `use` is what it takes of this one."""

    job: str
    use: Use
    uses: tuple[Use, ...]


def waiting_names(*, after: str, many: int) -> list[str]:
    """Return limits at which somebody waits, in order, by one short index look each."""
    return [row[0] for row in _rows(_NAMES, [after, many])]


def anybody_waits(name: str) -> bool:
    """Tell whether a job waits at a limit."""
    # In the order of the index: without it the planner may read the history to find one of so many.
    line = limited_rows().filter(name=name, place=Place.WAITING).order_by("key", "rank", "id")
    return line.values_list("id").first() is not None


def older_waits(use: Use, *, job: str, by_key: bool) -> bool:
    """Tell whether somebody waited at a limit before this job: whoever admits that one admits this one too.

    Looks at the head of the line alone. If that is younger, such as one of a higher priority, the answer is no.
    """
    line, params = ("AND key = %s", [use.limit, use.key]) if by_key else ("", [use.limit])
    ((first, mine),) = _rows(_AHEAD.format(line=line), [*params, job, use.limit])
    return first is not None and mine is not None and first < mine


def leave(jobs: Collection[str]) -> set[tuple[Any, ...]]:
    """Note that attempts of these jobs are over, unless they are under way again; return the (limit, key) they left."""
    return set(_rows(_about(_LEAVE, jobs), list(jobs))) if jobs else set()


def leave_and_look(
    jobs: Collection[str], names: Collection[str]
) -> tuple[set[tuple[Any, ...]], set[str]]:
    """Do so, and return beside it at which of these limits somebody waits."""
    if connection().vendor != "postgresql":
        return leave(jobs), {name for name in names if anybody_waits(name)}
    rows = _rows(_about(_LEAVE_AND_LOOK, jobs), [*jobs, list(names)])
    left = {(name, key) for name, key, waits in rows if waits is None}
    return left, {name for name, _, waits in rows if waits}


def leave_behind(*, limit: int) -> int:
    """Do the same for jobs of which nobody told, at any limit; return how many there may have been.

    Who counts asks the job too: this keeps the count short, it is not what makes it right.
    """
    going = Job.objects.using(alias()).filter(id=OuterRef("job"), state__in=UNDER_WAY)
    stale = limited_rows().filter(place=Place.ADMITTED).filter(~Exists(going))
    jobs = list(stale.values_list("job", flat=True)[:limit])
    if jobs:
        leave(jobs)
    return len(jobs)


def locked_rooms(names: Sequence[str], *, exactly: bool) -> dict[str, Room]:
    """Lock limits in the order given, and count what is taken of them.

    Without `exactly` jobs that ended a moment ago may count: there may be more room than is found, never less.
    """
    rooms = {
        row.name: Room(
            row.name,
            Bounds.from_text(row.override or row.declared),
            tokens=row.tokens,
            refilled_at=row.refilled_at,
            last_key=row.last_key,
        )
        for row in limit_rows().filter(name__in=names).order_by("name").select_for_update()
    }
    # After the lock, in a statement of its own: it sees what the last one who had the lock has let in.
    exactly = exactly or any(room.bounds.rate is not None for room in rooms.values())
    count = (_COUNT if exactly else _COUNT_ROUGHLY) % {"names": ", ".join(["%s"] * len(names))}
    for name, key, weight, not_begun in _rows(count, names):
        if name in rooms:
            room = rooms[name]
            room.taken += int(weight)
            room.not_begun += int(not_begun)
            room.by_key[key] = int(weight)
    return rooms


def save(room: Room) -> None:
    """Write what an admission leaves of a limit's bucket and round."""
    limit_rows().filter(name=room.name).update(
        tokens=room.tokens, refilled_at=room.refilled_at, last_key=room.last_key
    )


def next_keys(name: str, *, after: str, many: int) -> list[str]:
    """Return keys for which somebody waits, in a round that begins after `after`; by one short look each."""
    found = _rows(_KEYS, [name, after, name, many, name, name, many])
    return list(dict.fromkeys(row[0] for row in found))[:many]


def heads(name: str, keys: Sequence[str], *, each: int) -> dict[str, list[Waiting]]:
    """Return the first jobs of the line of each key, with all their limits."""
    if not keys:
        return {}
    params = [value for key in keys for value in (name, key, each)]
    every = " UNION ALL ".join([_HEAD] * len(keys))
    uses: dict[str, list[Use]] = defaultdict(list)
    key_of: dict[str, str] = {}
    for job, key, *use in _rows(_HEADS.format(heads=every), params):
        key_of[job] = key
        uses[job].append(Use(*use))
    lines: dict[str, list[Waiting]] = {key: [] for key in keys}
    for job, its in uses.items():
        here = next(use for use in its if use.limit == name)
        lines[key_of[job]].append(Waiting(job, here, (here, *(u for u in its if u is not here))))
    return lines


def let_in(jobs: Sequence[str]) -> tuple[list[Ticket], bool]:
    """Queue jobs that waited; those that are gone or too late by now wait no more, and have no ticket.

    One that somebody's open transaction holds waits on, and has none either: an admission waits for nobody. Returned
    beside the tickets is whether there was one.
    """
    if not jobs:
        return [], False
    if connection().vendor == "postgresql":
        found = _rows(_about(_LET_IN_AT_ONCE, jobs), [*jobs, *jobs])
    else:
        found = _rows(_about(_LET_IN, jobs), jobs)
        limited_rows().filter(job__in=[row[0] for row in found]).update(place=Place.ADMITTED)
    tickets = {row[0]: Ticket(*row) for row in found}
    stay_away = {id for id in jobs if id not in tickets}
    still: set[str] = set()
    if stay_away:
        interventions.expire(stay_away)
        waiting = job_rows().filter(id__in=stay_away, state=State.HELD, hold=Hold.LIMIT)
        still = set(waiting.values_list("id", flat=True))
        limited_rows().filter(job__in=stay_away - still).update(place=Place.AWAY)
    return [tickets[id] for id in jobs if id in tickets], bool(still)


def go_to(name: str, jobs: Sequence[str]) -> None:
    """Let jobs wait at another of their limits."""
    limited_rows().filter(job__in=jobs).update(
        place=Case(When(name=name, then=Place.WAITING), default=Place.AWAY)
    )


def skip_who_must_wait(room: Room) -> None:
    """Cancel jobs that find no room and would rather not run than wait; one that has run before waits."""
    line = limited_rows().filter(name=room.name, place=Place.WAITING).order_by("id")
    rows = list(line.values_list("job", "key", "weight")[:SKIPPED_AT_ONCE])
    refused = [job for job, key, weight in rows if not room.fits(Use(room.name, key, weight))]
    if refused:
        standing = job_rows().filter(id__in=refused, state=State.HELD, hold=Hold.LIMIT, attempts=0)
        skipped = list(lock(standing, wait=False).values_list("id", flat=True))
        job_rows().filter(id__in=skipped).update(token=RISE, **cancelled(Reason.SKIPPED))
        limited_rows().filter(job__in=skipped).update(place=Place.AWAY)


def _about(sql: str, jobs: Collection[str]) -> str:
    return sql % {"jobs": ", ".join(["%s"] * len(jobs)), **_WORDS[connection().vendor]}


def _rows(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection().cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
