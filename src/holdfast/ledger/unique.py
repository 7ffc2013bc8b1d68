"""Unique keys: which calls become jobs, decided in the caller's transaction; in every process that sends.

The row of a key is what orders the callers: whoever comes second waits until the first has committed or rolled back,
and looks at the job that has the key after that. Nothing is deleted when such a job is claimed or ends: whether it
still stands is read off its own row, so nothing that a dead process held is left behind.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from django.db.models import Case, DateTimeField, F, Q, QuerySet, Value, When
from django.db.models.functions import Now

from holdfast.exceptions import UniqueConflict
from holdfast.ledger import checkpoints
from holdfast.ledger.database import (
    alias,
    atomic,
    commits_by_itself,
    connection,
    in_one_transaction,
)
from holdfast.ledger.dialects.keys import GIVE_KEYS, keep_keys
from holdfast.ledger.fence import RISE, job_rows
from holdfast.ledger.limiting import limits
from holdfast.ledger.models import Result
from holdfast.ledger.models.unique import UniqueKey
from holdfast.ledger.records import NO_ENTRY, Entry, NewJob, Ticket, UniqueRequest
from holdfast.ledger.states import FINAL, Conflict, Hold, Scope, State
from holdfast.ledger.unique_rows import Holder, Key, put, record_one
from holdfast.ledger.unique_rows import holders as read_holders

WAITING = frozenset({State.HELD, State.QUEUED})


def stands(scope: str, holder: Holder | None, *, fresh: bool) -> bool:
    """Tell whether a key is taken: by a job with this row, or by none if that was pruned."""
    if holder is None:
        return scope == Scope.PERIOD and fresh
    waiting = holder.state in WAITING
    if holder.state in {State.CANCELLED, State.EXPIRED} or (waiting and holder.late):
        return False
    if scope == Scope.PERIOD:
        return fresh
    if scope == Scope.UNFINISHED:
        return holder.state not in FINAL
    return waiting and holder.attempts == 0


def record(
    jobs: Sequence[NewJob],
    *,
    write: Callable[[Sequence[NewJob]], list[Ticket]],
    entry: Entry = NO_ENTRY,
) -> list[Ticket]:
    """Write the jobs whose keys are free, and do with the others as each asks; return what must be published.

    All of it or nothing. The keys, and the waiting jobs that were met, are locked until the caller's transaction ends:
    such a job is not claimed before, so its run sees what the caller has written. Only a job alone has an entry.

    Raises:
        UniqueConflict: a key is taken, and the call asks to be told, or others would wait for it in vain.
    """
    if len(jobs) == 1 and jobs[0].unique is not None:
        tickets = _record_alone(jobs[0], jobs[0].unique, entry)
        if tickets is not None:
            return tickets
    return _record_all(jobs, write)


def _record_alone(job: NewJob, request: UniqueRequest, entry: Entry) -> list[Ticket] | None:
    """Do by one statement what it can do; None if there is more to do, and nothing is done."""
    found = record_one(job, request, entry=entry)
    if found is None:
        return None
    if found.state is not None:
        request.answer(job.id)
        ticket = Ticket(job.id, int(found.token or 0), job.task, job.queue, job.priority)
        return [ticket] if found.state == State.QUEUED else []
    if found.key.job == job.id:
        # A call that is sent again, such as after a crash.
        request.answer(job.id)
        return []
    if not commits_by_itself() or found.holder is None:
        # It is locked now, or was written a moment ago: it is looked at by a statement of its own.
        return None
    # What a caller without a transaction has written is committed: a job that had not begun when the statement did will
    # see it, without a lock.
    moves = request.conflict == Conflict.REPLACE or (
        request.conflict == Conflict.POSTPONE and (job.due_at or job.delay_seconds)
    )
    if moves or not stands(request.scope, found.holder, fresh=found.key.fresh):
        return None
    _refuse(job, request, found.key, found.holder)
    request.answer(found.key.job)
    return []


def _record_all(
    jobs: Sequence[NewJob], write: Callable[[Sequence[NewJob]], list[Ticket]]
) -> list[Ticket]:
    turns, followers = _in_turns(jobs)

    def take_turns() -> tuple[list[Ticket], list[tuple[UniqueRequest, str]]]:
        tickets: list[Ticket] = []
        answers: list[tuple[UniqueRequest, str]] = []
        for turn in turns:
            admitted = _admitted(turn, answers)
            tickets += write(admitted) if admitted else []
        return tickets, answers

    tickets, answers = in_one_transaction(take_turns)
    for request, job in answers:
        request.answer(job)
    for request, leader in followers:
        request.answer(str(leader.job))
    return tickets


def prune(*, limit: int) -> int:
    """Delete one batch of keys that nobody needs any more; return how many rows were looked at.

    While its job is in the ledger a key stays for as long again as it is old, so each is looked at a few times in its
    life. A key that somebody is writing is left for the next pass.
    """
    with atomic():
        due = _keys().filter(look_at__lt=Now()).order_by("look_at")
        rows = list(due.select_for_update(skip_locked=True).values_list("key", "job")[:limit])
        jobs = {job for _, job in rows}
        kept = set(job_rows().filter(id__in=jobs).values_list("id", flat=True))
        _keys().filter(key__in=[key for key, job in rows if job in kept]).update(
            look_at=Now() + (Now() - F("given_at"))
        )
        _keys().filter(key__in=[key for key, job in rows if job not in kept]).delete()
    return len(rows)


def _in_turns(
    jobs: Iterable[NewJob],
) -> tuple[list[list[NewJob]], list[tuple[UniqueRequest, UniqueRequest]]]:
    """Part jobs into turns in which no key comes twice; what need not be asked follows another's answer."""
    turns: list[list[NewJob]] = [[]]
    calls: dict[str, list[tuple[NewJob, UniqueRequest]]] = defaultdict(list)
    for job in jobs:
        if job.unique is None:
            turns[0].append(job)
        else:
            calls[job.unique.key].append((job, job.unique))
    followers = []
    for same in calls.values():
        leader = _leader(same) if len(same) > 1 else None
        if leader is not None:
            followers += [(request, leader[1]) for _, request in same if request is not leader[1]]
            same = [leader]  # noqa: PLW2901  # the others follow it
        turns += [[] for _ in range(len(same) - len(turns))]
        for turn, (job, _) in zip(turns, same, strict=False):
            turn.append(job)
    return turns, followers


def _leader(
    same: Sequence[tuple[NewJob, UniqueRequest]],
) -> tuple[NewJob, UniqueRequest] | None:
    """Return the one call whose answer is that of all calls with its key; None if each must be asked."""
    asked = {
        (request.conflict, request.awaited, job.delay_seconds, job.due_at) for job, request in same
    }
    conflict, awaited, *_ = next(iter(asked))
    if awaited or conflict == Conflict.RAISE or len(asked) > 1:
        return None
    return same[-1] if conflict == Conflict.REPLACE else same[0]


def _admitted(jobs: Sequence[NewJob], answers: list[tuple[UniqueRequest, str]]) -> list[NewJob]:
    """Take the keys of one turn; return what is to be written, under the id it is to have."""
    asked = {job.unique.key: (job, job.unique) for job in jobs if job.unique is not None}
    written = [job for job in jobs if job.unique is None]
    taken = [
        key for key in put(asked, keep_keys(connection().vendor)) if key.job != asked[key.key][0].id
    ]
    holders = read_holders({key.job: asked[key.key][1].scope for key in taken})
    standing = {
        key.key: key
        for key in taken
        if stands(asked[key.key][1].scope, holders.get(key.job), fresh=key.fresh)
    }
    emptied: list[str] = []
    postponed: list[tuple[NewJob, str]] = []
    for name, (job, request) in asked.items():
        key = standing.get(name)
        if key is None:
            written.append(job)
            answers.append((request, job.id))
            continue
        holder = holders.get(key.job)
        _refuse(job, request, key, holder)
        if holder is not None and holder.state in WAITING and holder.hold != Hold.REPLACED:
            if request.conflict == Conflict.REPLACE:
                emptied.append(key.job)
                written.append(_in_place_of(key.job, job))
            elif request.conflict == Conflict.POSTPONE:
                postponed.append((job, key.job))
        answers.append((request, key.job))
    put({key.key: asked[key.key] for key in taken if key.key not in standing}, GIVE_KEYS)
    _empty(emptied)
    _postpone(postponed)
    return written


def _refuse(job: NewJob, request: UniqueRequest, key: Key, holder: Holder | None) -> None:
    if request.awaited:
        why = (
            "others wait for this very call by its id: it is part of a chain or chord, which no other job can go on "
            "with."
        )
    elif job.batch_id is not None and (holder is None or holder.batch_id != job.batch_id):
        why = f"it is no member of batch {job.batch_id}, which would not wait for it."
    elif request.conflict == Conflict.RAISE:
        why = "the call asked to be told."
    elif request.conflict == Conflict.REPLACE and key.awaited:
        why = "it cannot be replaced: it is part of a chain or chord, which waits for it."
    else:
        return
    raise UniqueConflict(job.task, key.job, key.key, why)


def _in_place_of(job_id: str, job: NewJob) -> NewJob:
    """Return a call as the new content of a job that waits."""
    headers = json.loads(job.headers)
    if headers.get("root_id") == job.id:
        headers["root_id"] = job_id
    return replace(job, id=job_id, headers=json.dumps(headers))


def _empty(ids: Sequence[str]) -> None:
    """Let jobs wait for what takes their place: the statement that records it does the rest, the token included.

    What earlier attempts left belongs to the call before.
    """
    if ids:
        job_rows().filter(id__in=ids).update(
            state=State.HELD, hold=Hold.REPLACED, due_at=None, failures=0
        )
        limits.stand_away(ids)
        checkpoints.clear(ids)
        Result.objects.using(alias()).filter(id__in=ids).delete()


def _postpone(calls: Iterable[tuple[NewJob, str]]) -> None:
    """Push the time of waiting jobs to that of the calls that met them; never to an earlier one.

    A call for now pushes nothing: a queued job would be taken back by each of them.
    """
    together = defaultdict(list)
    for job, holder in calls:
        if job.due_at is not None or (job.delay_seconds or 0) > 0:
            together[job.delay_seconds, job.due_at].append(holder)
    for (delay, moment), ids in together.items():
        due = Value(moment, DateTimeField()) if moment else Now() + timedelta(seconds=delay or 0)
        earlier = Q(due_at__isnull=True) | Q(due_at__lt=F("pushed_to"))
        rows = job_rows().alias(pushed_to=due).filter(earlier, id__in=ids, pushed_to__gt=Now())
        later = list(rows.values_list("id", flat=True))
        limits.stand_away(later)
        job_rows().filter(id__in=later).update(
            state=State.HELD,
            token=RISE,
            hold=Case(
                When(hold__in=["", Hold.RELAY, Hold.LIMIT], then=Value(Hold.ETA)), default=F("hold")
            ),
            due_at=due,
            wait_seconds=None if moment else delay or 0.0,
            published_at=None,
        )


def _keys() -> QuerySet[UniqueKey]:
    return UniqueKey.objects.using(alias())
