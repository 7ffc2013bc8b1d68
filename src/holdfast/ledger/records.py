"""Typed rows that go into and come out of the ledger; shared by all processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, Self
from uuid import UUID

from holdfast.tickets import Ticket

__all__ = [
    "NO_ENTRY",
    "Alike",
    "Beat",
    "ClaimBatch",
    "ClaimedJob",
    "End",
    "Entry",
    "Hold",
    "LapsedJob",
    "Message",
    "NewJob",
    "Part",
    "Refusal",
    "ResultMeta",
    "Seen",
    "StoredResult",
    "Ticket",
    "UniqueRequest",
    "Use",
]


class Use(NamedTuple):
    """What one job takes of a limit while it is queued or runs."""

    limit: str
    key: str = ""
    weight: int = 1


class Seen(NamedTuple):
    """A limit as it was read, and the bucket that is left of it once jobs have been let in."""

    limit: str
    version: str
    tokens: float
    refilled_at: datetime | None


Entry = Sequence[Seen]
"""All limits of some jobs that may go on, unless somebody has let others in since these were read."""
NO_ENTRY: Entry = ()


@dataclass(slots=True, kw_only=True)
class UniqueRequest:
    """What a unique call asks of the ledger, and the answer."""

    key: str
    scope: str
    conflict: str
    period_seconds: float | None = None
    awaited: bool = False
    """Others wait for this very job by its id: no other job can stand for it."""
    handles: list[Any] = field(default_factory=list)
    """What shows the job's id to the caller, as an attribute `id`."""
    job: str | None = None
    """The job that stands for the call, once that is known."""

    def answer(self, job: str) -> None:
        """Note which job stands for the call, and show it to the caller."""
        self.job = job
        for handle in self.handles:
            handle.id = job


@dataclass(slots=True, kw_only=True)
class NewJob:
    """A call to be recorded. Times are either absolute or, better, relative to the database's clock."""

    id: str
    task: str
    queue: str
    headers: str
    body: bytes
    content_type: str
    content_encoding: str
    priority: int = 0
    delay_seconds: float | None = None
    due_at: datetime | None = None
    expires_in_seconds: float | None = None
    expires_at: datetime | None = None
    hold: str = ""
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    batch_id: str | None = None
    ignore_result: bool = False
    linked: bool = False
    kept_apart: bool = False
    unique: UniqueRequest | None = None
    limits: tuple[Use, ...] = ()

    @property
    def is_like_others(self) -> bool:
        """Whether it is queued at once, and the ledger need not look at anything else before it takes it."""
        times = (self.delay_seconds, self.due_at, self.expires_in_seconds, self.expires_at)
        return (
            times == (None, None, None, None)
            and (self.unique, self.group_id) == (None, None)
            and not (self.hold or self.limits or self.linked)
        )


class Alike(NamedTuple):
    """What a job has of its own that is otherwise like many others."""

    id: str
    headers: str
    body: bytes

    def as_job(self, template: NewJob) -> NewJob:
        """Return it as a job by itself."""
        return replace(
            template,
            id=self.id,
            headers=self.headers,
            body=self.body,
            root_id=template.root_id or self.id,
        )


class Hold(NamedTuple):
    """One attempt's right to act: the job, the token it was claimed with, and the worker's incarnation."""

    id: str
    token: int
    worker: UUID


@dataclass(slots=True, kw_only=True)
class ClaimedJob:
    """A job taken for one attempt, with the body that the claim returns."""

    id: str
    token: int
    attempt: int
    task: str
    queue: str
    priority: int
    headers: str
    body: bytes
    content_type: str
    content_encoding: str

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Self:
        """Read a row in the order in which every dialect's claim returns it."""
        names = ("id", "token", "attempt", "task", "queue", "priority", "headers", "body")
        values = dict(zip((*names, "content_type", "content_encoding"), row, strict=True))
        return cls(**values | {"body": bytes(values["body"])})


class Refusal(Enum):
    """Why a message did not become an attempt."""

    STALE = "stale"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    SUSPECT = "suspect"
    LAST_CHANCE = "last chance"
    LOCKED = "locked"
    PAUSED = "paused"
    NO_LEASE = "no lease"


@dataclass(slots=True)
class ClaimBatch:
    """The answer to one claim: what was taken, and why the rest was not."""

    claimed: list[ClaimedJob] = field(default_factory=list)
    refused: dict[str, Refusal] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class StoredResult:
    """An encoded result as it lies in the ledger."""

    status: str
    result: bytes | None
    content_type: str
    content_encoding: str
    traceback: str | None = None
    children: str | None = None


class Part(NamedTuple):
    """What a member of a chord that has succeeded gives to the chord's body."""

    group: str
    position: int
    value: StoredResult
    secret: bool

    @property
    def content_encoding(self) -> str:
        """How it is encoded where that is said: of an encrypted value."""
        return self.value.content_encoding if self.secret else ""


class End(NamedTuple):
    """An attempt that has succeeded: its result where one is kept, what it has logged, its part of a chord."""

    hold: Hold
    stored: StoredResult | None = None
    log: str = ""
    part: Part | None = None

    @property
    def size(self) -> int:
        """Bytes it brings along, or a little less: characters of its lines are counted."""
        values = (self.stored, self.part and self.part.value)
        return len(self.log) + sum(len(each.result or b"") for each in values if each is not None)


@dataclass(slots=True, kw_only=True)
class ResultMeta:
    """All that Celery's result API may ask of one id."""

    state: int | None
    task: str = ""
    hold: str = ""
    reason: str = ""
    finished_at: datetime | None = None
    parent_id: str | None = None
    group_id: str | None = None
    failures: int = 0
    worker: UUID | None = None
    asked_to_stop: bool = False
    stored: StoredResult | None = None


@dataclass(slots=True, kw_only=True)
class LapsedJob:
    """A running job whose worker is gone, and what the rescue makes of it."""

    id: str
    token: int
    ahead: bool
    losses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a worker hears when it renews its lease; times by the database's clock."""

    now: datetime
    others: int
    """Workers beside this one whose lease nobody has taken and who have not stopped."""
    lapse_seconds: float | None
    """Until the first of their leases runs out; None if there is none."""
    left_behind: bool
    """Jobs run, by the ledger, at workers that are lost or have stopped."""
    booked: bool
    """Jobs run, by the ledger, at this worker."""
    duty_seconds: float
    """Until the duty of upkeep is free; 0 or less if it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a job is called with, as it lies in the ledger."""

    job: str
    task: str
    headers: str
    body: bytes
    content_type: str
    content_encoding: str
