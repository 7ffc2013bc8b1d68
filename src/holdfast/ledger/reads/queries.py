"""Every read the result backend, the loops and the pages need, as typed rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Count, Max, Min, QuerySet
from django.db.models.functions import Now

from holdfast.ledger import batches
from holdfast.ledger.clocks import AHEAD
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.ids import minted_at
from holdfast.ledger.models import Attempt, Group, Job, Payload, Result, Worker
from holdfast.ledger.models.checkpoints import Checkpoint
from holdfast.ledger.models.limits import Limited
from holdfast.ledger.models.logs import AttemptLog
from holdfast.ledger.records import Hold, ResultMeta, StoredResult, Ticket
from holdfast.ledger.states import DEAD_LETTERS, FINAL, State

# What goes with a job, and by which column it is found; the job itself comes last.
_OF_A_JOB = (
    (Payload, "job"),
    (Attempt, "job"),
    (AttemptLog, "job"),
    (Checkpoint, "job"),
    (Limited, "job"),
    (Result, "id"),
    (Job, "id"),
)


def result_metas(ids: Iterable[str]) -> dict[str, ResultMeta]:
    """Return what is known of each id; ids that neither have a job nor a stored state are left out."""
    wanted = list(ids)
    metas = {
        row["id"]: ResultMeta(
            state=row["state"],
            task=row["task"],
            hold=row["hold"],
            reason=row["reason"],
            finished_at=row["finished_at"],
            parent_id=row["parent_id"],
            group_id=row["group_id"],
            failures=row["failures"],
            worker=row["worker"],
            asked_to_stop=row["cancel_asked_at"] is not None,
        )
        for row in _jobs()
        .filter(id__in=wanted)
        .values(
            "id",
            "state",
            "task",
            "hold",
            "reason",
            "finished_at",
            "parent_id",
            "group_id",
            "failures",
            "worker",
            "cancel_asked_at",
        )
    }
    for result in Result.objects.using(alias()).filter(id__in=wanted):
        meta = metas.setdefault(result.id, ResultMeta(state=None, finished_at=result.stored_at))
        meta.stored = StoredResult(
            status=result.status,
            result=None if result.result is None else bytes(result.result),
            content_type=result.content_type,
            content_encoding=result.content_encoding,
            traceback=result.traceback,
            children=result.children,
        )
    return metas


def finished_ids(ids: Iterable[str]) -> set[str]:
    """Return those ids whose job is in a final state; one short look for waiters."""
    return set(_jobs().filter(id__in=list(ids), state__in=FINAL).values_list("id", flat=True))


def seconds_to_next_due() -> float | None:
    """Return how long until the next held job is due by the database's clock; negative if it is overdue."""
    row = (
        _jobs()
        .filter(state=State.HELD, due_at__isnull=False)
        .aggregate(due=Min("due_at"), now=Min(Now()))
    )
    if row["due"] is None:
        return None
    waiting: timedelta = row["due"] - row["now"]
    return waiting.total_seconds()


def queued_lists() -> Iterator[tuple[str, int]]:
    """Yield (queue, priority) of every list that has queued jobs, by one short index look each."""
    queued = _jobs().filter(state=State.QUEUED).order_by("queue", "priority")
    found = queued.values_list("queue", "priority").first()
    while found is not None:
        yield found
        queue, priority = found
        more = queued.filter(queue=queue, priority__gt=priority)
        found = more.values_list("queue", "priority").first()
        if found is None:
            found = queued.filter(queue__gt=queue).values_list("queue", "priority").first()


def queued_between(
    queue: str, priority: int, *, since: datetime | None, before: datetime | None, limit: int
) -> list[tuple[Ticket, datetime]]:
    """Return queued jobs of one list with the times when they were published, oldest first."""
    rows = _jobs().filter(state=State.QUEUED, queue=queue, priority=priority)
    if before is not None:
        rows = rows.filter(published_at__lt=before)
    if since is not None:
        # An index keeps entries of rows that have moved on: those before it are not looked at again.
        rows = rows.filter(published_at__gte=since)
    names = ("id", "token", "task", "queue", "priority", "published_at")
    found = rows.order_by("published_at").values_list(*names)[:limit]
    return [(Ticket(*row[:-1]), row[-1]) for row in found]


def queued_before(
    queue: str, priority: int, *, moment: datetime | None, older_than: timedelta, limit: int
) -> list[Ticket]:
    """Return queued jobs of one list published before `moment` and at least `older_than` ago, oldest first."""
    rows = _jobs().filter(
        state=State.QUEUED, queue=queue, priority=priority, published_at__lt=Now() - older_than
    )
    if moment is not None:
        rows = rows.filter(published_at__lt=moment)
    return [
        Ticket(*row)
        for row in rows.order_by("published_at").values_list(
            "id", "token", "task", "queue", "priority"
        )[:limit]
    ]


def queued_ahead(queue: str, priority: int) -> bool:
    """Tell whether a queued job of one list was published in a future that its clock was set back from."""
    rows = _jobs().filter(
        state=State.QUEUED, queue=queue, priority=priority, published_at__gt=Now() + AHEAD
    )
    # By that end of the index which is empty as long as clocks go right.
    return rows.order_by("-published_at").values_list("id", flat=True).first() is not None


def overtaken(
    queue: str,
    priority: int,
    *,
    since: datetime | None,
    before: datetime | None,
    by: timedelta,
    limit: int,
) -> list[Ticket]:
    """Return queued jobs of one list that were published so much earlier than one that runs now, oldest first.

    Of a window on the times of publication: two whose times are of different clocks say nothing of each other.
    """
    running = _jobs().filter(state=State.RUNNING, queue=queue, priority=priority)
    if since is None:
        running = running.filter(published_at__lte=Now() + AHEAD)
    else:
        running = running.filter(published_at__gte=since)
    newest = running.aggregate(at=Max("published_at"))["at"]
    if newest is None:
        return []
    earlier = newest - by if before is None else min(before, newest - by)
    rows = queued_between(queue, priority, since=since, before=earlier, limit=limit)
    return [ticket for ticket, _ in rows]


def published_at(ids: Sequence[str]) -> dict[str, tuple[int, datetime]]:
    """Return (token, published_at) of those ids that are queued."""
    rows = _jobs().filter(id__in=ids, state=State.QUEUED, published_at__isnull=False)
    return {
        id: (token, moment)
        for id, token, moment in rows.values_list("id", "token", "published_at")
        if moment
    }


def held_by(worker: UUID) -> dict[str, int]:
    """Return id and token of every job this worker runs or is about to run."""
    return dict(_jobs().filter(worker=worker, state=State.RUNNING).values_list("id", "token"))


def hold_of(job_id: str) -> Hold | None:
    """Return the standing attempt of a job, if it runs."""
    row = (
        _jobs().filter(id=job_id, state=State.RUNNING).values_list("id", "token", "worker").first()
    )
    return Hold(row[0], row[1], row[2]) if row and row[2] else None


def state_of(job_id: str) -> tuple[int, int, UUID | None] | None:
    """Return (state, token, worker) of a job."""
    return _jobs().filter(id=job_id).values_list("state", "token", "worker").first()


def known(ids: Iterable[str]) -> set[str]:
    """Return those ids that have a row."""
    return set(_jobs().filter(id__in=list(ids)).values_list("id", flat=True))


def is_pruned(job_id: str, *, kept_seconds: float | None) -> bool:
    """Tell whether an id of ours that has no row is older than rows are kept."""
    made = minted_at(job_id)
    return (
        made is not None
        and bool(kept_seconds)
        and datetime.now(UTC) - made > timedelta(seconds=kept_seconds or 0)
    )


def unsettled(*, limit: int, but: Iterable[str] = ()) -> list[str]:
    """Return jobs that ended without their own attempt, and whose waiters have not been told."""
    rows = _jobs().filter(unsettled=True).exclude(id__in=list(but))
    return list(rows.order_by("finished_at").values_list("id", flat=True)[:limit])


def members_in(batch_ids: Iterable[str], states: Iterable[State], *, limit: int) -> list[str]:
    """Return members of batches that are in one of these states."""
    rows = _jobs().filter(batch_id__in=list(batch_ids), state__in=sorted(states))
    return list(rows.values_list("id", flat=True)[:limit])


def message_of(job_id: str) -> tuple[str, str, bytes, str, str] | None:
    """Return (task, headers, body, content type, content encoding) of a job."""
    task = _jobs().filter(id=job_id).values_list("task", flat=True).first()
    row = (
        Payload.objects.using(alias())
        .filter(job=job_id)
        .values_list("headers", "body", "content_type", "content_encoding")
        .first()
    )
    if task is None or row is None:
        return None
    return task, row[0], bytes(row[1]), row[2], row[3]


def headers_of_group(group_id: str, *, limit: int) -> list[str]:
    """Return the stored headers of the first so many jobs of a group, as JSON; two reads of so many rows at most."""
    ids = list(_jobs().filter(group_id=group_id).values_list("id", flat=True)[:limit])
    rows = Payload.objects.using(alias()).filter(job__in=ids)
    return list(rows.values_list("headers", flat=True))


def ending_of(job_id: str) -> tuple[int, str] | None:
    """Return (state, reason) of a job."""
    return _jobs().filter(id=job_id).values_list("state", "reason").first()


def last_error(job_id: str) -> str:
    """Return the error text of the latest attempt that did not succeed."""
    return (
        Attempt.objects.using(alias())
        .filter(job=job_id)
        .order_by("-id")
        .values_list("error", flat=True)
        .first()
        or ""
    )


def tickets(ids: Iterable[str]) -> list[Ticket]:
    """Return the tickets of those ids that are queued."""
    rows = _jobs().filter(id__in=list(ids), state=State.QUEUED)
    return [Ticket(*row) for row in rows.values_list("id", "token", "task", "queue", "priority")]


def count_by_state() -> dict[str, int]:
    """Count jobs by the name of their state. Reads the whole table: for tests and small ledgers."""
    return {
        State(state).name.lower(): n
        for state, n in _jobs().values_list("state").annotate(n=Count("id"))
    }


def live_workers() -> list[Worker]:
    """Return workers whose lease stands."""
    return list(
        Worker.objects.using(alias()).filter(lost_at=None, stopped_at=None, lease_until__gt=Now())
    )


def prune_finished(*, states: Iterable[State], before: timedelta, limit: int) -> int:
    """Delete one batch of jobs whose retention is over, with all that belongs to them; return how many."""
    over = _jobs().filter(state__in=sorted(states), unsettled=False, finished_at__lt=Now() - before)
    if DEAD_LETTERS.isdisjoint(states):
        over = over.filter(kept_apart=False)
    return _delete(over.order_by("finished_at"), slice(limit))


def tasks_kept_apart() -> Iterator[str]:
    """Yield the tasks that have finished jobs with a retention of their own, by one short index look each."""
    found = _kept_apart().order_by("task").values_list("task", flat=True).first()
    while found is not None:
        yield found
        more = _kept_apart().filter(task__gt=found).order_by("task")
        found = more.values_list("task", flat=True).first()


def prune_kept_apart(task: str, *, before: timedelta | None, last: int | None, limit: int) -> int:
    """Delete one batch of a task's jobs that are too old, or more than the newest `last`; return how many."""
    rows = _kept_apart().filter(task=task, unsettled=False)
    deleted = 0
    if before is not None:
        over = rows.filter(finished_at__lt=Now() - before).order_by("finished_at", "id")
        deleted = _delete(over, slice(limit))
    if last is not None and deleted < limit:
        newest_first = rows.order_by("-finished_at", "-id")
        deleted += _delete(newest_first, slice(last, last + limit - deleted))
    return deleted


def _kept_apart() -> QuerySet[Job]:
    return _jobs().filter(kept_apart=True, state__in=sorted(FINAL - DEAD_LETTERS))


def _delete(jobs: QuerySet[Job], which: slice) -> int:
    """Delete jobs with all that belongs to them; return how many."""
    with atomic():
        rows = list(jobs.values_list("id", "batch_id", "state")[which])
        if not rows:
            return 0
        ids = [row[0] for row in rows]
        batches.note_deleted(row[1:] for row in rows)
        for model, field in _OF_A_JOB:
            model.objects.using(alias()).filter(**{f"{field}__in": ids}).delete()
    return len(ids)


def prune_stored(*, before: timedelta, limit: int) -> int:
    """Delete one batch of stored states and of saved groups that belong to no job; return how many."""
    over = {"stored_at__lt": Now() - before}
    count = 0
    with atomic():
        for rows in (
            Result.objects.using(alias()).filter(bare=True, **over),
            Group.objects.using(alias()).filter(**over),
        ):
            ids = list(rows.order_by("stored_at").values_list("id", flat=True)[:limit])
            count += rows.model.objects.using(alias()).filter(id__in=ids).delete()[0]
    return count


def _jobs() -> QuerySet[Job]:
    return Job.objects.using(alias())
