"""The watch over queues: says once when jobs wait where no worker takes them. One worker does it for all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from holdfast import events
from holdfast.conf import get_settings
from holdfast.ledger.reads import queue_reads
from holdfast.upkeep.sampler import Sampler

logger = logging.getLogger("holdfast.upkeep")


class QueueWatch:
    """Tells of a queue that has been unserved for a whole lease: less may be a worker that starts anew."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since: dict[str, float] = {}
        self._told: set[str] = set()
        self._next_look = float("-inf")
        self._sampler = Sampler(monotonic)

    @property
    def has_told(self) -> bool:
        """Whether a queue was named that is not known to be served again."""
        return bool(self._told)

    def one_pass(self) -> None:
        """Look, unless that was a moment ago."""
        now, lease = self._monotonic(), get_settings().lease_seconds
        if now < self._next_look:
            return
        self._next_look = now + lease / 2
        unserved = queue_reads.unserved_queues()
        self._since = {queue: self._since.get(queue, now) for queue in unserved}
        for queue in sorted(self._told.difference(unserved)):
            self._told.discard(queue)
            logger.info("Queue %s: served again, or empty", queue)
            events.queue_served.send(sender=type(self), queue=queue)
        for queue, since in self._since.items():
            if queue not in self._told and now - since >= lease:
                self._told.add(queue)
                logger.warning(
                    "Queue %s: jobs wait, and no live worker takes them. Start one with -Q %s, or send them elsewhere",
                    queue,
                    queue,
                )
                events.queue_unserved.send(sender=type(self), queue=queue)
        # Last: a chart that fails holds up nothing.
        self._sampler.one_pass()
