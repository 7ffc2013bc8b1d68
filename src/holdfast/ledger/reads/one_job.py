"""What the page of one job shows beside its row: attempts, call, result, family, and what it holds.

Each is one look by key or small index, and what may be large comes in part: who looks at a job must not wait for its
megabytes, nor for the ten thousand others of its workflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q
from django.db.models.functions import Length, Right, Substr

from holdfast.ledger import batches
from holdfast.ledger.database import alias
from holdfast.ledger.fence import job_rows
from holdfast.ledger.limiting.limits import limited_rows
from holdfast.ledger.models import Attempt, Chord, Payload, Result
from holdfast.ledger.models.checkpoints import Checkpoint
from holdfast.ledger.models.effects import Effect, EffectState
from holdfast.ledger.models.limits import Place
from holdfast.ledger.models.logs import AttemptLog
from holdfast.ledger.reads.attempts import AttemptRow
from holdfast.ledger.reads.standing import Lease, Standing, headers_in
from holdfast.ledger.records import Message, StoredResult
from holdfast.ledger.states import DEAD_LETTERS, FINAL, State

# The latest attempts, the end of each traceback, the beginning of each log, in characters.
ATTEMPTS = 50
TRACEBACK = 16_384
LOG = 65_536
# Larger bodies and results are not read at all.
LARGEST = 4 * 1024 * 1024
CHILDREN = 20
YOUNGER = 500
EFFECTS = 1000
COUNTED = 10_000
_KIN = ("id", "task", "state", "hold", "parent_id")


@dataclass(frozen=True, slots=True)
class Past:
    """The latest attempts of a job, oldest first, and how many earlier ones were left out."""

    attempts: list[AttemptRow]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a job is called with; `message` is None if its body is gone, or larger than `LARGEST`."""

    size: int
    content_type: str
    content_encoding: str
    headers: dict[str, Any]
    message: Message | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is stored of a job's result; without `stored.result` if that is larger than `LARGEST`."""

    size: int
    stored: StoredResult
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Relative:
    """Another job of the same workflow."""

    id: str
    task: str
    state: str
    hold: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The jobs around one: those that are not in the ledger any more are None."""

    root: Relative | None = None
    parent: Relative | None = None
    children: list[Relative]
    more: bool
    """There may be more children than were found among the first of the workflow."""
    members: int
    """Jobs of its group or chord that are in the ledger, counted up to 10,000."""
    chord: tuple[int, int] | None
    """Of its chord: how many members have returned, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The batch a job is a member of; members are counted up to 10,000."""

    id: str
    name: str
    open: int
    ended: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Held:
    """Where a job stands at one of its limits: "away", "waiting" or "admitted"."""

    limit: str
    key: str
    weight: int
    place: str


@dataclass(frozen=True, slots=True)
class Begun:
    """An effect that a job has begun and that is not recorded as done: under way, or in doubt."""

    key: str
    times: int
    begun_at: datetime


def past(job: Standing, lease: Lease | None) -> Past:
    """Return the latest attempts; the one that the job's row tells of is the last."""
    found = list(
        Attempt.objects.using(alias())
        .filter(job=job.id)
        .annotate(end_of_traceback=Right("traceback", TRACEBACK))
        .defer("traceback")
        .order_by("-id")[:ATTEMPTS]
    )
    numbers = [row.number for row in found] + [job.attempts]
    rows = AttemptLog.objects.using(alias()).filter(job=job.id, number__in=numbers)
    logs = dict(rows.annotate(beginning=Substr("text", 1, LOG)).values_list("number", "beginning"))
    attempts = [
        AttemptRow(
            number=row.number,
            outcome=row.outcome,
            worker=row.worker,
            worker_name=row.worker_name,
            started_at=row.started_at,
            ended_at=row.ended_at,
            error=row.error,
            traceback=row.end_of_traceback,
            log=_lines(logs.get(row.number)),
        )
        for row in reversed(found)
    ]
    if job.attempts > max((row.number for row in found), default=0):
        attempts.append(
            AttemptRow(
                number=job.attempts,
                outcome=job.state.name.lower(),
                worker=job.worker,
                worker_name=lease.name if lease else "",
                started_at=job.started_at,
                ended_at=job.finished_at,
                error="",
                traceback="",
                log=_lines(logs.get(job.attempts)),
            )
        )
    first = min((row.number for row in attempts), default=1)
    return Past(attempts, first - 1 if len(found) == ATTEMPTS else 0)


def call(job: Standing) -> Call | None:
    """Return what the job is called with; None if that is gone. Two looks: a large body stays where it is."""
    rows = Payload.objects.using(alias()).filter(job=job.id)
    names = ("headers", "content_type", "content_encoding", "size")
    row = rows.annotate(size=Length("body")).values(*names).first()
    if row is None:
        return None
    message = None
    if row["size"] <= LARGEST:
        body = rows.values_list("body", flat=True).first()
        message = Message(
            job=job.id,
            task=job.task,
            headers=row["headers"],
            body=bytes(body or b""),
            content_type=row["content_type"],
            content_encoding=row["content_encoding"],
        )
    return Call(**row | {"headers": headers_in(row["headers"]), "message": message})


def kept(job_id: str, *, largest: int | None = LARGEST) -> Kept | None:
    """Return what is stored of the job's result or progress; two looks, as of a call. None reads all of any size."""
    rows = Result.objects.using(alias()).filter(id=job_id)
    row = rows.defer("result").annotate(size=Length("result")).first()
    if row is None:
        return None
    size = row.size or 0
    data = rows.values_list("result", flat=True).first() if 0 < size <= (largest or size) else None
    stored = StoredResult(
        status=row.status,
        result=None if data is None else bytes(data),
        content_type=row.content_type,
        content_encoding=row.content_encoding,
        traceback=row.traceback,
        children=row.children,
    )
    return Kept(size=size, stored=stored, stored_at=row.stored_at)


def checkpoint(job_id: str) -> tuple[str, datetime] | None:
    """Return what the job's attempts left to go on from, as JSON, and when."""
    return Checkpoint.objects.using(alias()).filter(job=job_id).values_list("state", "at").first()


def family(job: Standing) -> Family:
    """Return the jobs around a job; four looks at most, however large its workflow is.

    Children are looked for among the first `YOUNGER` jobs of the workflow that were sent after it.
    """
    root = job.root_id or job.id
    above = {id for id in (root, job.parent_id) if id and id != job.id}
    found = {
        id: Relative(id, task, State(state).name.lower(), hold)
        for id, task, state, hold in job_rows().filter(id__in=above).values_list(*_KIN[:4])
    }
    below = Q(root_id__isnull=False) & ~Q(root_id=F("id"))
    younger = job_rows().filter(below, root_id=root, id__gt=job.id).order_by("id")
    rows = list(younger.values_list(*_KIN)[:YOUNGER])
    children = [
        Relative(id, task, State(state).name.lower(), hold)
        for id, task, state, hold, parent in rows
        if parent == job.id
    ]
    members, chord = 0, None
    if job.group_id:
        of_group = job_rows().filter(group_id=job.group_id).order_by("state", "id")
        members = of_group.values("id")[:COUNTED].count()
        chords = Chord.objects.using(alias()).filter(group=job.group_id)
        chord = chords.values_list("done", "size").first()
    return Family(
        root=found.get(root),
        parent=found.get(job.parent_id or ""),
        children=children[:CHILDREN],
        more=len(rows) == YOUNGER or len(children) > CHILDREN,
        members=members,
        chord=chord,
    )


def places(job: Standing) -> list[Held]:
    """Return where the job stands at its limits."""
    rows = limited_rows().filter(job=job.id).order_by("id")
    return [
        Held(name, key, weight, Place(place).name.lower())
        for name, key, weight, place in rows.values_list("name", "key", "weight", "place")
    ]


def begun(job_id: str) -> list[Begun]:
    """Return the effects of a job that are under way or in doubt, among the latest `EFFECTS` of them in the ledger."""
    rows = Effect.objects.using(alias()).filter(state=EffectState.BEGUN).order_by("-begun_at")
    names = ("job", "key", "times_begun", "begun_at")
    return [Begun(*rest) for job, *rest in rows.values_list(*names)[:EFFECTS] if job == job_id]


def part(batch_id: str | None) -> Part | None:
    """Return the batch of a job, if it is in one that is in the ledger; three looks."""
    row = batches.get(batch_id) if batch_id is not None else None
    if row is None:
        return None
    members = job_rows().filter(batch_id=batch_id).order_by("state", "id")
    some = [members.filter(state__lte=State.RUNNING), members.filter(state__gt=State.RUNNING)]
    open_ones, ended = (rows.values("id")[:COUNTED].count() for rows in some)
    return Part(id=row.id, name=row.name, open=open_ones, ended=ended, deleted=row.deleted)


def oldest_end() -> datetime | None:
    """Return the end of the oldest finished job in the ledger that is no dead letter: one look at an index."""
    over = job_rows().filter(state__in=sorted(FINAL - DEAD_LETTERS), kept_apart=False)
    return over.order_by("finished_at").values_list("finished_at", flat=True).first()


def _lines(text: str | None) -> list[str]:
    return text.split("\n") if text else []
