"""The statements of batches. Every end is computed from the rows of the members; the batch's row says which have come.

What orders them is the lock on the batch's row. Whoever adds members shares it, whoever moves the batch to an end has
it alone and looks at the members after that, in a statement of its own: it sees all that were added before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Now

from holdfast.ledger.database import alias, atomic, connection, in_transaction
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models.batches import Batch
from holdfast.ledger.states import DEAD_LETTERS, State

_PAGE = 1000
_IS_OPEN = Q(open_member__isnull=False) | Q(open_inner__isnull=False)
_HAS_FAILED = Q(failed_member__isnull=False) | Q(failed_inner__isnull=False)
_IS_BAD = Q(bad_member__isnull=False) | Q(bad_inner__isnull=False)
_BY_INDEX = """
SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_seqscan', 'off', true)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A batch as it lies in the ledger; times are the database's."""

    id: str
    name: str
    parent_id: str | None
    callbacks: str
    called: str
    created_at: datetime
    sealed_at: datetime | None
    failed_at: datetime | None
    completed_at: datetime | None
    succeeded_at: datetime | None
    cancelled_at: datetime | None
    cancelling: int | None
    """The operation that cancels its members; None: there is none, or it is over."""
    watched: bool
    spoiled: bool
    deleted: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rows of the members say at one instant, those of member batches included."""

    open: bool
    """A member waits or runs."""
    failed: bool
    """A member has failed for good."""
    bad: bool
    """A member has ended in another way than success."""


_WAITING = f"""
SELECT count(*) FROM (
  SELECT 1 FROM holdfast_job WHERE batch_id = %s AND state < {State.RUNNING} ORDER BY state DESC, id DESC LIMIT %s
) AS waits
"""
_COLUMNS = tuple(BatchRow.__dataclass_fields__)


# -- members come --------------------------------------------------------------------------------------


def create(batch_id: str, *, name: str, parent_id: str | None, callbacks: str) -> None:
    """Write a batch, in the caller's transaction."""
    around = {} if parent_id is None else {"parent_id": parent_id}
    _rows().create(id=batch_id, name=name, callbacks=callbacks, created_at=Now(), **around)


def join(batch_id: str) -> BatchRow | None:
    """Keep the batch from ending until the caller's transaction is over; None if there is no such batch.

    Many may do so at once. On SQLite the transaction itself keeps everybody else from writing.
    """
    if connection().vendor == "postgresql":
        with connection().cursor() as cursor:
            # Shared, and no hindrance to an update that leaves the key alone: a cancel waits for nobody.
            cursor.execute("SELECT 1 FROM holdfast_batch WHERE id = %s FOR KEY SHARE", [batch_id])
    return get(batch_id)


def seal(batch_id: str) -> bool:
    """Let the batch end with the last of its members; False if it was sealed before."""
    return bool(_rows().filter(id=batch_id, sealed_at=None).update(sealed_at=Now()))


def watch(batch_ids: Iterable[str | None]) -> None:
    """Let the loop look at batches again: a member of theirs has been put back to work."""
    ids = sorted({id for id in batch_ids if id is not None})
    while ids:
        _rows().filter(id__in=ids, watched=False).update(watched=True)
        above = _rows().filter(id__in=ids, parent_id__isnull=False)
        ids = sorted(set(above.values_list("parent_id", flat=True)))


# -- ends ----------------------------------------------------------------------------------------------


def lock(batch_id: str) -> BatchRow | None:
    """Take the batch for the caller's transaction alone."""
    if connection().vendor == "postgresql":
        with connection().cursor() as cursor:
            cursor.execute("SELECT 1 FROM holdfast_batch WHERE id = %s FOR UPDATE", [batch_id])
    return get(batch_id)


def facts(batch_id: str) -> Facts:
    """Ask the rows of the members, in one statement that finds the first of each kind by the index."""
    rows = _rows().filter(id=batch_id).annotate(**_questions())
    is_open, failed, bad = (
        When(condition, then=True) for condition in (_IS_OPEN, _HAS_FAILED, _IS_BAD)
    )
    answers = {
        "is_open": Case(is_open, default=False),
        "has_failed": Case(failed, default=False),
        "is_bad": Case(bad, default=False),
    }
    row = rows.annotate(**answers).values_list(*answers).first()
    return Facts(*map(bool, row)) if row else Facts(open=False, failed=False, bad=True)


def move(batch_id: str, *, called: str, **ends: bool) -> None:
    """Note ends that have come (`failed`, `completed`, `succeeded`); the caller has locked the batch."""
    changes: dict[str, Any] = {f"{end}_at": Now() for end, come in ends.items() if come}
    _rows().filter(id=batch_id).update(called=called, **changes)


def rest(batch_id: str) -> None:
    """Let no loop look at the batch any more: no member is open. The caller has locked it."""
    _rows().filter(id=batch_id).update(watched=False)


def waiting(batch_id: str, *, most: int) -> int:
    """Count the members that wait for their turn, up to so many; outside of transactions.

    From the end of the queue, where PostgreSQL keeps no dead entries of members that have moved on. Without fresh
    statistics it would read all members of a batch and sort them, so it is told not to.
    """
    with ExitStack() as planned, connection().cursor() as cursor:
        if connection().vendor == "postgresql" and not in_transaction():
            planned.enter_context(atomic())
            cursor.execute(_BY_INDEX)
        cursor.execute(_WAITING, [batch_id, most])
        return int(cursor.fetchone()[0])


def has_open(batch_id: str, *, running: bool = False) -> bool:
    """Tell whether a member is open, or runs: by one look at the index."""
    members = job_rows().filter(batch_id=batch_id, state__lte=State.RUNNING)
    if running:
        members = members.filter(state=State.RUNNING)
    return members.order_by("-state", "-id").values_list("id", flat=True).first() is not None


def has_failed(batch_id: str) -> bool:
    """Tell whether the first failure of a member has been noted."""
    return _rows().filter(id=batch_id, failed_at__isnull=False).exists()


def watched(*, after: str, limit: int) -> list[str]:
    """Return batches that may have an open member, in the order of their ids."""
    rows = _rows().filter(watched=True, id__gt=after).order_by("id")
    return list(rows.values_list("id", flat=True)[:limit])


def ripe(batch_ids: Sequence[str]) -> list[str]:
    """Return those in which an end has come that nobody has noted, or cancelled ones with members that wait."""
    rows = _rows().filter(id__in=batch_ids, watched=True).annotate(**_questions())
    found = rows.filter(
        (~_IS_OPEN & Q(sealed_at__isnull=False))
        | (_HAS_FAILED & Q(failed_at=None))
        | Q(waiting_member__isnull=False, cancelled_at__isnull=False, cancelling=None)
    )
    return list(found.order_by("id").values_list("id", flat=True))


def _questions() -> dict[str, Any]:
    """What is asked of the members of a batch, each the first row found; an inner batch is a member as one job is."""
    members = job_rows().filter(batch_id=OuterRef("id"))
    # From the end of the queue: the entries before it are dead ones on PostgreSQL.
    waiting = members.filter(state__lt=State.RUNNING).order_by("-state", "-id")
    inner = _rows().filter(parent_id=OuterRef("id"))
    asked = {
        "open_member": members.filter(state__lte=State.RUNNING).order_by("-state", "-id"),
        "waiting_member": waiting,
        "failed_member": members.filter(state__in=sorted(DEAD_LETTERS)),
        "bad_member": members.filter(state__gt=State.SUCCEEDED),
        "open_inner": inner.filter(watched=True),
        "failed_inner": inner.filter(failed_at__isnull=False, succeeded_at=None),
        "bad_inner": inner.filter(succeeded_at=None),
    }
    return {name: Subquery(rows.values("id")[:1]) for name, rows in asked.items()}


# -- looking and cancelling ----------------------------------------------------------------------------


def get(batch_id: str) -> BatchRow | None:
    """Return a batch."""
    row = _rows().filter(id=batch_id).values_list(*_COLUMNS).first()
    return BatchRow(**dict(zip(_COLUMNS, row, strict=True))) if row else None


def inner(batch_id: str) -> list[str]:
    """Return the batches that are members of this one, and theirs, by level."""
    found: list[str] = []
    level = [batch_id]
    while level:
        rows = _rows().filter(parent_id__in=level).order_by("id")
        level = list(rows.values_list("id", flat=True))
        found += level
    return found


def count_by_state(batch_ids: Collection[str]) -> Counter[State]:
    """Count the members of batches by state. Reads the index entry of each once."""
    rows = job_rows().filter(batch_id__in=batch_ids).values_list("state").order_by()
    return Counter({State(state): n for state, n in rows.annotate(n=Count("*"))})


def deleted_of(batch_ids: Collection[str]) -> int:
    """Return how many members are gone after their retention."""
    return sum(_rows().filter(id__in=batch_ids).values_list("deleted", flat=True))


def members(batch_id: str, states: Iterable[State] = State) -> Iterator[str]:
    """Yield the members by state and id, in pages. One that moves meanwhile may be met twice or not at all."""
    for state in sorted(set(states)):
        rows = job_rows().filter(batch_id=batch_id, state=state).order_by("id")
        last = ""
        while page := list(rows.filter(id__gt=last).values_list("id", flat=True)[:_PAGE]):
            yield from page
            last = page[-1]


def cancel(batch_ids: Collection[str]) -> int:
    """Note that batches are cancelled, so that members that come later are cancelled too."""
    return _rows().filter(id__in=batch_ids, cancelled_at=None).update(cancelled_at=Now())


def hand_over(batch_ids: Collection[str], *, operation: int) -> None:
    """Note that batches are cancelled, and let an operation cancel their members in place of the loop.

    Those that were cancelled before are left as they are.
    """
    fresh = _rows().filter(id__in=batch_ids, cancelled_at=None)
    fresh.update(cancelled_at=Now(), cancelling=operation)


def take_back(batch_ids: Collection[str], *, operation: int, undone: bool) -> None:
    """End what an operation does to batches; those that stay cancelled are the loop's again.

    Args:
        batch_ids: batches that it may have been about.
        operation: its id.
        undone: the batches are not cancelled any more: what has not been cancelled by now goes on.
    """
    mine = _rows().filter(id__in=batch_ids, cancelling=operation)
    mine.update(cancelling=None, **({"cancelled_at": None} if undone else {}))


# -- deleting ------------------------------------------------------------------------------------------


def note_deleted(rows: Iterable[tuple[str | None, int]]) -> None:
    """Note that members, as (batch, state), are deleted, in the transaction that does it."""
    gone: Counter[str] = Counter()
    spoiled: set[str] = set()
    for batch_id, state in rows:
        if batch_id is not None:
            gone[batch_id] += 1
            if state != State.SUCCEEDED:
                spoiled.add(batch_id)
    for batch_id, count in sorted(gone.items()):
        spoils = {"spoiled": True} if batch_id in spoiled else {}
        _rows().filter(id=batch_id).update(deleted=F("deleted") + count, **spoils)


def prune(*, succeeded_before: timedelta, before: timedelta, limit: int) -> int:
    """Delete one batch of batches whose retention is over and that have no open member; return how many.

    Those that succeeded go first; the others, and those that nobody ever sealed, are kept as long as dead letters.
    """
    resting = _rows().filter(watched=False)
    succeeded = resting.filter(succeeded_at__lt=Now() - succeeded_before).order_by("succeeded_at")
    ended = resting.filter(succeeded_at=None, completed_at__lt=Now() - before)
    members = job_rows().filter(batch_id=OuterRef("id"), state__lte=State.RUNNING)
    left = _rows().filter(~Exists(members), watched=True, sealed_at=None)
    left = left.filter(created_at__lt=Now() - before)
    with atomic():
        ids = list(succeeded.values_list("id", flat=True)[:limit])
        for rows in (ended.order_by("completed_at"), left.order_by("id")):
            found = list(rows.values_list("id", "parent_id")[: limit - len(ids)])
            ids += [id for id, _ in found]
            _spoil(parent for _, parent in found)
        # Asked again in the same statement: a member may have been put back meanwhile.
        _rows().filter(Q(watched=False) | Q(sealed_at=None), id__in=ids).delete()
    return len(ids)


def _spoil(batch_ids: Iterable[str | None]) -> None:
    ids = {id for id in batch_ids if id is not None}
    if ids:
        _rows().filter(id__in=ids).update(spoiled=True)


def _rows() -> QuerySet[Batch]:
    return Batch.objects.using(alias())
