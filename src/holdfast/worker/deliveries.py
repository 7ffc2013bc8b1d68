"""What a worker's main process remembers of a ticket that came, and of a job that it has claimed."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from holdfast.ledger.records import Hold
from holdfast.tickets import HEADER

logger = logging.getLogger("holdfast.worker")


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

    def drop(self) -> None:
        """Be done with it, by Celery's own way to acknowledge and in the event loop.

        RabbitMQ counts what is not acknowledged, and its connection is no other thread's.
        """
        self.ack(logger, (Exception,))


def straight(ticket: dict[str, Any], *, channel: Any, consumer: Any) -> Delivery | None:
    """Return the delivery of a ticket as our transport has read it, which waits for no acknowledgement there.

    None while Celery counts acknowledgements, after a reconnect: by them it raises how much is fetched.
    """
    if consumer is None or not consumer._maximum_prefetch_restored:
        return None
    headers = ticket["headers"]
    message = channel.Message(ticket, channel=channel)
    message.accept = consumer.task_consumer.accept
    return Delivery(
        headers["id"],
        headers[HEADER]["token"],
        message,
        _acknowledge_nothing,
        _acknowledge_nothing,
        consumer.on_task_message,
    )


def _acknowledge_nothing(*_: Any, **__: Any) -> None:
    """Stand for what kombu would do on the server."""


@dataclass(slots=True)
class Held:
    """A job this worker has claimed and not finished."""

    hold: Hold
    request: Any = None
    delivered: bool = False
    since: float = field(default_factory=time.monotonic)
    doubtful_since: float | None = None
    # When the ledger first said that the job is not this attempt's any more, by the monotonic clock.
    moved_on_at: float | None = None
    limits: tuple[str, ...] = ()
    last_chance: bool = False

    @property
    def begun(self) -> bool:
        """Whether the pool has said that its body runs."""
        return getattr(self.request, "time_start", None) is not None
