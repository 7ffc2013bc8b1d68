"""Batches as people look at them: listed in pages, counted up to a bound, with the causes of what failed.

Nothing here reads more than a bounded part of a batch, however many members it has; what was left out is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import QuerySet

from holdfast.ledger.batches import BatchRow
from holdfast.ledger.database import alias, connection
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models.batches import Batch
from holdfast.ledger.reads.letters import last_errors
from holdfast.ledger.reads.tallies import tally
from holdfast.ledger.states import DEAD_LETTERS, State

# Most members of one state that are counted of a batch in a list, and of one that is looked at alone.
MOST_LISTED = 20_000
MOST_ALONE = 250_000
# Most failed members whose errors are grouped.
MOST_FAULTS = 10_000
# Most inner batches that are looked at.
MOST_INNER = 500
WHICH = ("all", "open", "done", "failed")
_COLUMNS = tuple(BatchRow.__dataclass_fields__)

_FAULTS = """
SELECT fingerprint, task, state, reason, count(*), max(id) FROM (
  SELECT fingerprint, task, state, reason, id FROM holdfast_job
  WHERE batch_id IN ({ids}) AND state IN ({states}) LIMIT %s
) AS members
GROUP BY fingerprint, task, state, reason ORDER BY count(*) DESC, max(id) LIMIT %s
"""


@dataclass(slots=True)
class Counted:
    """Members of a batch by state, those of its inner batches included."""

    states: Counter[State] = field(default_factory=Counter)
    more: set[State] = field(default_factory=set)
    """States of which there are more members than were counted."""
    deleted: int = 0
    """Members that had ended and whose rows are gone after their retention."""

    @property
    def open(self) -> int:
        """Members that wait or run, as far as they were counted."""
        return sum(self.states[state] for state in (State.HELD, State.QUEUED, State.RUNNING))

    @property
    def done(self) -> int:
        """Members that have ended, as far as they were counted."""
        return self.states.total() - self.open + self.deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Failed and dead members with one cause."""

    fingerprint: str
    task: str
    state: str
    reason: str
    error: str
    """What the last one of them said."""
    count: int
    sample: str
    """The id of that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The job that a callback became, as it is now."""

    id: str
    task: str
    state: str


def page(which: str, *, before: str | None, limit: int) -> list[BatchRow]:
    """Return batches, the newest first, of those made before one with this id: by the key or a small index.

    Args:
        which: "all"; "open", of which no completion has come; "done", of which it has; or "failed", of which a member
            has failed for good and no success has come since.
        before: the id of the last one that was seen.
        limit: how many.
    """
    rows = _rows().order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    match which:
        case "open":
            rows = rows.filter(watched=True, completed_at=None)
        case "done":
            rows = rows.filter(completed_at__isnull=False)
        case "failed":
            rows = rows.filter(failed_at__isnull=False, succeeded_at=None)
    return [
        BatchRow(**dict(zip(_COLUMNS, row, strict=True)))
        for row in rows.values_list(*_COLUMNS)[:limit]
    ]


def trees(ids: Collection[str]) -> tuple[dict[str, list[str]], bool]:
    """Return the batches in each of some batches, itself first, and whether these are all.

    A statement for each level; no more than 500 inner batches are looked at.
    """
    found = {id: [id] for id in ids}
    above = {id: {id} for id in ids}
    level, left = list(ids), MOST_INNER
    while level and left > 0:
        rows = _rows().filter(parent_id__in=level).order_by("id")
        below = list(rows.values_list("id", "parent_id")[: left + 1])
        for id, parent in below[:left]:
            # One that is listed itself counts for those around it too.
            around = above[str(parent)] | above.get(id, set())
            above[id] = around
            for root in around:
                if id not in found[root]:
                    found[root].append(id)
        left -= len(below)
        level = [id for id, _ in below]
    return found, left >= 0


def counted(within: Mapping[str, Sequence[str]], *, most: int) -> dict[str, Counted]:
    """Count the members of batches by state, up to `most` of each state of each batch: two statements.

    Args:
        within: the batches that are counted together, by the id they are counted for; see `trees`.
        most: entries of the index of members that are read for one state of one batch.
    """
    found = {root: Counted() for root in within}
    owners: dict[str, list[Counted]] = {}
    for root, ids in within.items():
        for id in ids:
            owners.setdefault(id, []).append(found[root])
    if not owners:
        return found
    for id, states in tally("batch_id", list(owners), most=most).items():
        for one in owners[id]:
            for state, count in states.items():
                one.states[state] += min(count, most)
                if count > most:
                    one.more.add(state)
    for id, deleted in (
        _rows().filter(id__in=list(owners), deleted__gt=0).values_list("id", "deleted")
    ):
        for one in owners[id]:
            one.deleted += deleted
    return found


def members_in(batch_id: str, states: Collection[int]) -> tuple[int, bool]:
    """Return how many members of a batch and of those inside it are in some states, and whether that is all of them.

    Of each state of each batch 250,000 are counted at most, and 500 inner batches.
    """
    within, whole = trees([batch_id])
    found = counted(within, most=MOST_ALONE)[batch_id]
    return sum(found.states[State(state)] for state in states), whole and not found.more & set(
        states
    )


def faults(ids: Sequence[str], *, lines: int = 20) -> list[Fault]:
    """Return what failed and dead members of batches have in common, the most frequent first.

    Reads 10,000 of them at most, by the index of members.
    """
    sql = _FAULTS.format(
        ids=", ".join(["%s"] * len(ids)), states=", ".join(f"{s:d}" for s in sorted(DEAD_LETTERS))
    )
    with connection().cursor() as cursor:
        cursor.execute(sql, [*ids, MOST_FAULTS, lines])
        rows = cursor.fetchall()
    errors = last_errors([row[5] for row in rows])
    return [
        Fault(
            fingerprint=fingerprint,
            task=task,
            state=State(state).name.lower(),
            reason=reason,
            error=errors.get(sample, ""),
            count=count,
            sample=sample,
        )
        for fingerprint, task, state, reason, count, sample in rows
    ]


def inner_rows(batch_id: str, *, limit: int) -> list[BatchRow]:
    """Return the batches that are members of this one, the oldest first."""
    rows = _rows().filter(parent_id=batch_id).order_by("id").values_list(*_COLUMNS)[:limit]
    return [BatchRow(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def called(ids: Collection[str]) -> dict[str, Called]:
    """Return jobs by their ids, those that are still there: one look by the key for all."""
    rows = job_rows().filter(id__in=list(ids)).values_list("id", "task", "state")
    return {
        id: Called(id=id, task=task, state=State(state).name.lower()) for id, task, state in rows
    }


def _rows() -> QuerySet[Batch]:
    return Batch.objects.using(alias())
