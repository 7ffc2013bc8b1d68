"""What a worker's main process remembers of a ticket that came, and of a job that it has claimed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from holdfast.ledger.records import Hold


@dataclass(slots=True)
class Delivery:
    """A ticket as it came from the broker."""

    id: str
    token: int
    message: Any
    ack: Any
    reject: Any
    callbacks: Any
    # Claimed only into a free slot: an attempt of this job was lost while it waited behind others.
    needs_slot: bool = False
    # One more loss and it is dead: never beside another such job, which may be the one that kills workers.
    last_chance: bool = False
    # Somebody's transaction held the row: when to ask again, by the monotonic clock.
    again_at: float = 0.0


@dataclass(slots=True)
class Held:
    """A job this worker has claimed and not finished."""

    hold: Hold
    request: Any = None
    delivered: bool = False
    since: float = field(default_factory=time.monotonic)
    doubtful_since: float | None = None
    limits: tuple[str, ...] = ()
    last_chance: bool = False
