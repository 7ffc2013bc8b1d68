"""The jobs of one workflow where there may be very many: what is large is counted, and what is small is listed.

As `kin` finds them: by root, by group and by batch. A group or a batch with many members is a crowd: its members are
counted by state from the index, up to a bound, and one of them stands for all. What this reads is bounded, whatever the
size of the workflow; what was left out is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from holdfast.ledger.database import alias, connection
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Job
from holdfast.ledger.reads.kin import BELOW_A_ROOT, Kin
from holdfast.ledger.reads.tallies import tally
from holdfast.ledger.states import State

# A group or a batch with more members than this is a crowd.
CROWD = 200
# Rows that are returned, rows that are looked at below roots, and members of a crowd that are counted in each state.
MOST_ROWS = 5_000
MOST_LOOKED_AT = 20_000
MOST_COUNTED = 20_000
# How far it goes from group to root to group.
MOST_ROUNDS = 30
_PAGE = 500
_COLUMNS = ", ".join(Kin._fields)

_FIRST = """
SELECT id FROM (SELECT id FROM holdfast_job WHERE {column} = %s ORDER BY state, id LIMIT %s) AS members
ORDER BY id LIMIT %s
"""
_GROUPS = "SELECT group_id, count(*) FROM ({below}) AS below GROUP BY group_id"
_BELOW = "SELECT {columns} FROM ({below}) AS below WHERE {condition} LIMIT %s"


@dataclass(slots=True)
class Crowd:
    """A group or a batch with many members."""

    kind: str
    """"group" or "batch"."""
    id: str
    states: Counter[State]
    more: bool
    """Whether it has more members in some state than were counted."""
    one: Kin | None = None
    """The member that stands for all."""
    opened: list[Kin] = field(default_factory=list)
    """Members that were asked for, in the order they were made in."""

    @property
    def key(self) -> str:
        """What it is called where it is opened."""
        return f"{self.kind}:{self.id}"


@dataclass(slots=True)
class Found:
    """What there is of a workflow."""

    rows: dict[str, Kin] = field(default_factory=dict)
    crowds: dict[tuple[str, str], Crowd] = field(default_factory=dict)
    whole: bool = True

    def crowd_of(self, group: str | None, batch: str | None) -> Crowd | None:
        """Return the crowd that a job is in, if it is in one."""
        for kind, id in (("group", group), ("batch", batch)):
            if id is not None and (kind, id) in self.crowds:
                return self.crowds[kind, id]
        return None


def find(
    ids: Iterable[str],
    *,
    batches: Sequence[str] = (),
    groups: Sequence[str] = (),
    opened: Mapping[tuple[str, str], int] | None = None,
) -> Found:
    """Return the jobs of the workflows that these jobs, batches and groups are part of.

    Args:
        ids: of jobs.
        batches: their ids.
        groups: their ids; one that is not there is left out.
        opened: how many members of a crowd are asked for one by one, by its kind and id.
    """
    search = _Search(opened or {})
    search.note("batch", batches)
    search.note("group", groups)
    search.take_by_id(ids)
    search.run()
    return search.found


def parents(ids: Collection[str]) -> dict[str, tuple[str | None, str | None]]:
    """Return (group, batch) of jobs by id, in pages by the key."""
    wanted = sorted(ids)
    found: dict[str, tuple[str | None, str | None]] = {}
    for start in range(0, len(wanted), _PAGE):
        rows = job_rows().filter(id__in=wanted[start : start + _PAGE])
        found |= {
            id: (group, batch)
            for id, group, batch in rows.values_list("id", "group_id", "batch_id")
        }
    return found


def listed(ids: Collection[str]) -> list[Kin]:
    """Return the jobs among these ids, in pages by the key."""
    wanted, found = sorted(ids), []
    for start in range(0, len(wanted), _PAGE):
        rows = job_rows().filter(id__in=wanted[start : start + _PAGE])
        found += [Kin(*row) for row in rows.values_list(*Kin._fields)]
    return found


class _Search:
    def __init__(self, opened: Mapping[tuple[str, str], int]) -> None:
        self.found = Found()
        self.opened = opened
        self.seen: set[tuple[str, str]] = set()
        self.new: dict[str, list[str]] = {"batch": [], "group": [], "root": []}

    def run(self) -> None:
        """Follow what is new until nothing is, or a bound is reached."""
        for _ in range(MOST_ROUNDS):
            if not (self.found.whole and any(self.new.values())):
                return
            for kind in ("batch", "group"):
                self._take_sets(kind)
            roots, self.new["root"] = self.new["root"], []
            self.take_by_id(roots)
            for start in range(0, len(roots), _PAGE):
                self._take_below(roots[start : start + _PAGE])
        self.found.whole = False

    def note(self, kind: str, ids: Iterable[str | None]) -> None:
        """Note a batch, group or root that is to be looked at."""
        for id in ids:
            if id is not None and (kind, id) not in self.seen:
                self.seen.add((kind, id))
                self.new[kind].append(id)

    def take_by_id(self, ids: Iterable[str]) -> None:
        """Note jobs by their ids."""
        wanted = [id for id in ids if id not in self.found.rows]
        for start in range(0, len(wanted), _PAGE):
            self._add(job_rows().filter(id__in=wanted[start : start + _PAGE]))

    def _take_sets(self, kind: str) -> None:
        sets, self.new[kind] = self.new[kind], []
        for start in range(0, len(sets), _PAGE):
            page = sets[start : start + _PAGE]
            counts = tally(f"{kind}_id", page, most=MOST_COUNTED)
            small = [id for id in page if 0 < counts[id].total() <= CROWD]
            if small:
                self._add(job_rows().filter(**{f"{kind}_id__in": small}))
            for id in page:
                if counts[id].total() > CROWD:
                    self._take_crowd(kind, id, counts[id])

    def _take_crowd(self, kind: str, id: str, counts: Counter[State]) -> None:
        more = any(n > MOST_COUNTED for n in counts.values())
        kept = Counter({state: min(n, MOST_COUNTED) for state, n in counts.items()})
        crowd = Crowd(kind, id, kept, more=more)
        members = job_rows().filter(**{f"{kind}_id": id})
        wanted = self.opened.get((kind, id), 0)
        if wanted:
            opened = members.filter(id__in=_first(f"{kind}_id", id, limit=wanted)).order_by("id")
            crowd.opened = [Kin(*row) for row in opened.values_list(*Kin._fields)]
        # Not one of those that are shown: it stands for the others.
        shown = {row.id for row in crowd.opened}
        first = members.order_by("state", "id").values_list(*Kin._fields)[: len(shown) + 3]
        others = [row for row in (Kin(*values) for values in first) if row.id not in shown]
        # The body of a chord has the id of its group too, and is the only one that was sent by a member.
        parents = Counter(row.parent_id for row in others)
        crowd.one = max(others, key=lambda row: parents[row.parent_id], default=None)
        self.found.crowds[kind, id] = crowd
        for row in (crowd.one, *crowd.opened):
            if row is not None:
                self._note_kin(row)

    def _take_below(self, roots: Sequence[str]) -> None:
        if not roots or not self.found.whole:
            return
        below, values = _below(roots)
        with connection().cursor() as cursor:
            cursor.execute(_GROUPS.format(below=below), values)
            counts = dict(cursor.fetchall())
        if sum(counts.values()) >= MOST_LOOKED_AT:
            self.found.whole = False
        self.note("group", sorted(id for id in counts if id is not None))
        self._take_sets("group")
        crowds = [id for kind, id in self.found.crowds if kind == "group"]
        condition = "1 = 1"
        if crowds:
            condition = f"(group_id IS NULL OR group_id NOT IN ({', '.join(['%s'] * len(crowds))}))"
        sql = _BELOW.format(columns=_COLUMNS, below=below, condition=condition)
        left = MOST_ROWS - len(self.found.rows)
        with connection().cursor() as cursor:
            cursor.execute(sql, [*values, *crowds, left + 1])
            rows = [Kin(*row)._replace(linked=bool(row[-1])) for row in cursor.fetchall()]
        for row in rows:
            self._take(row)

    def _add(self, rows: QuerySet[Job]) -> None:
        left = MOST_ROWS - len(self.found.rows)
        for values in rows.order_by("id").values_list(*Kin._fields)[: left + 1]:
            self._take(Kin(*values))

    def _take(self, row: Kin) -> None:
        if row.id in self.found.rows:
            return
        if len(self.found.rows) >= MOST_ROWS:
            self.found.whole = False
            return
        self._note_kin(row)
        if self.found.crowd_of(row.group_id, row.batch_id) is None:
            self.found.rows[row.id] = row

    def _note_kin(self, row: Kin) -> None:
        self.note("root", [row.root_id or row.id])
        self.note("group", [row.group_id])


def _first(column: str, id: str, *, limit: int) -> list[str]:
    """Return the first members of a crowd in the order they were made in, of as many as are counted."""
    with connection().cursor() as cursor:
        cursor.execute(_FIRST.format(column=column), [id, MOST_COUNTED, limit])
        return [row[0] for row in cursor.fetchall()]


def _below(roots: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that reads the jobs below roots, as many as are looked at, and its values."""
    rows = job_rows().filter(BELOW_A_ROOT, root_id__in=roots).order_by("root_id", "id")
    listed = rows.values_list(*Kin._fields)[:MOST_LOOKED_AT]
    sql, values = listed.query.get_compiler(using=alias()).as_sql()
    return sql, tuple(values)
