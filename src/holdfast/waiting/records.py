"""What is said of why a job waits: one reason at a time, each with its evidence and what will end it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from holdfast.ledger.reads.standing import Other


class Kind(StrEnum):
    """What a job waits for, or what there is to know of one that runs; never renamed."""

    ETA = "eta"
    RETRY = "retry"
    SNOOZE = "snooze"
    RELAY = "relay"
    REPLACEMENT = "replacement"
    LIMIT = "limit"
    PAUSE = "pause"
    UNSERVED = "unserved"
    STALLED = "stalled"
    BROKER = "broker"
    MESSAGE = "message"
    LOST_MESSAGE = "lost message"
    BUSY = "busy"
    LINE = "line"
    SUSPECT = "suspect"
    EXPIRES = "expires"
    UNIQUE = "unique"
    CANCEL_ASKED = "cancel asked"
    CLAIMED = "claimed"
    RUNNING = "running"
    STUCK = "stuck"
    LOST_WORKER = "lost worker"
    TELLING = "telling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One reason why a job is not further than it is; times by the database's clock."""

    kind: Kind
    text: str
    """A sentence with its evidence."""
    ends: str
    """What will end it, or what is to be done."""
    until: datetime | None = None
    """When it ends, where that is known."""
    jobs: tuple[Other, ...] = ()
    """Other jobs that stand in the way; the first 20."""
    workers: tuple[str, ...] = ()
    """Names of the workers that have to do with it."""
    limit: str = ""
    """The limit it waits at, if it is one."""
    trouble: bool = False
    """Nothing ends it unless somebody does what `ends` says, or something is wrong."""
