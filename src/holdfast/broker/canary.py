"""A message that a worker sends to itself: over another connection it comes by the very fetch that brings tickets.

It lies in a list of this process alone, which expires by itself: nobody else takes it, and nothing is left of a worker
that died. Sent by one thread, heard by the one that fetches.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from holdfast.broker.publisher import Publisher, Unavailable
from holdfast.broker.transport import is_forbidden

logger = logging.getLogger("holdfast.broker")
PREFIX = "holdfast:canary:"


@dataclass(frozen=True, slots=True)
class Heard:
    """A canary that came; `at` by the monotonic clock."""

    number: int
    at: float
    queues: frozenset[str]
    """The queues that the same fetch asked for tickets."""


class Canary:
    """Numbered from 1; of those that are out, only the newest lies in the list."""

    def __init__(
        self, publisher: Publisher, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.key = f"{PREFIX}{uuid4()}"
        self.sent = 0
        self.last_heard: Heard | None = None
        self.refused = False
        self._publisher = publisher
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._out_since: float | None = None
        self._sent_at = 0.0
        self._taken = False

    @property
    def out_since(self) -> float | None:
        """When the oldest one that has not come was sent; None if none is out."""
        return self._out_since

    @property
    def asked(self) -> bool:
        """Whether a fetch is to ask for it: not before the broker has taken one, nor after it has refused the list."""
        return self._taken and not self.refused

    def send(self, *, kept_seconds: float) -> bool:
        """Send one, in place of an older one; False where none can come: on another broker, or if this one forbids it.

        Raises:
            Unavailable: the broker has not taken it, or nobody knows.
        """
        if self.refused:
            return False
        if not self._publisher.available:
            raise Unavailable("the broker did not answer a moment ago", rest=())
        number = self.sent + 1
        try:
            client = self._publisher.client()
            if client is None:
                return False
            # In one step, so that a death in between leaves no list that stays for ever.
            with client.pipeline(transaction=True) as pipeline:
                pipeline.delete(self.key)
                pipeline.lpush(self.key, str(number))
                pipeline.pexpire(self.key, int(kept_seconds * 1000))
                # Before it can come.
                self._note_sent(number)
                pipeline.execute()
        except Exception as error:  # every client library has its own tree of errors
            if is_forbidden(error):
                self.refuse(error)
                return False
            # The next one goes to whichever host answers then.
            self._publisher.close(broken=True)
            self.forget()
            raise Unavailable(error, rest=()) from error
        self._taken = True
        return True

    def hear(self, item: bytes, *, queues: Sequence[str]) -> None:
        """Note what came from the list, with the queues that were asked beside it."""
        try:
            number = int(item)
        except ValueError:
            number = 0
        if not 0 < number <= self.sent:
            logger.debug("not a canary of this process: %.100r", item)
            return
        with self._lock:
            self.last_heard = Heard(number, self._monotonic(), frozenset(queues))
            self._out_since = None if number == self.sent else self._sent_at

    def refuse(self, error: Exception) -> None:
        """Use it no more: the broker forbids its list, and in a fetch would forbid the queues beside it."""
        self.refused = True
        self.forget()
        logger.error(
            "The broker does not let this worker have its canaries (%s): whether they come is not watched. Allow its "
            "user the keys %s*",
            error,
            PREFIX,
        )

    def forget(self) -> None:
        """Wait for none of those that are out."""
        with self._lock:
            self._out_since = None

    def _note_sent(self, number: int) -> None:
        with self._lock:
            self.sent = number
            self._sent_at = self._monotonic()
            if self._out_since is None:
                self._out_since = self._sent_at
