"""Tickets that wait in a worker to be claimed, and how many more are worth fetching; in the main process."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from holdfast.conf import get_settings
from holdfast.ledger import interventions, pauses
from holdfast.ledger.database import is_passing
from holdfast.ledger.records import Refusal
from holdfast.ledger.security import Kind, Sighting
from holdfast.worker.deliveries import Delivery
from holdfast.worker.guard import Guard

logger = logging.getLogger("holdfast.worker")
SMOOTHING = 0.2
# A job that somebody's transaction holds is asked for again after so long, and takes no room from the others unless
# there are very many of them.
LOCKED_PAUSE = 0.2
LOCKED_MOST = 1000
# Refusals after which asking at once would bring the same answer.
WORTH_WAITING = frozenset({Refusal.NO_LEASE, Refusal.SUSPECT, Refusal.LOCKED})


class Waiting(deque[Delivery]):
    """Tickets in the order in which they came."""

    locked = 0
    # Called when a claim finds that our lease does not stand: the clock was set forward, or it was taken away.
    renew: Callable[[], None] = staticmethod(lambda: None)

    def forget(self) -> None:
        """Give all back to the broker, to be fetched again."""
        while True:
            try:
                self.popleft().reject(logger, (Exception,), requeue=True)
            except IndexError:
                return

    def take(self, *, free: int, another: bool) -> list[Delivery]:
        """Take what can be claimed now: a job on its last chance by itself, everything else together.

        Beside one that wants a free slot nothing is taken ahead of a slot: while jobs are short it would never get one.

        Args:
            free: slots that no job has.
            another: whether a job on its last chance is here already.
        """
        wanted = any(delivery.needs_slot or delivery.last_chance for delivery in list(self))
        most = max(0, free) if wanted else len(self)
        batch: list[Delivery] = []
        kept: list[Delivery] = []
        now = time.monotonic() if self.locked else 0.0
        while self:
            delivery = self.popleft()
            if delivery.again_at > now > 0.0:
                kept.append(delivery)
            elif delivery.last_chance and free > 0 and not another:
                self.extendleft(reversed(kept + batch))
                return [delivery]
            elif delivery.last_chance or len(batch) >= most:
                kept.append(delivery)
            else:
                batch.append(delivery)
        self.extendleft(reversed(kept))
        return batch

    def keep(self, delivery: Delivery, why: Refusal) -> bool:
        """Keep a ticket whose claim was refused for now; False if asking again would be in vain."""
        if why == Refusal.SUSPECT:
            delivery.needs_slot = True
        elif why == Refusal.LAST_CHANCE:
            delivery.last_chance = True
        elif why == Refusal.LOCKED:
            delivery.again_at = time.monotonic() + LOCKED_PAUSE
        elif why == Refusal.NO_LEASE:
            self.renew()
        else:
            return False
        self.append(delivery)
        return True

    def count_locked(self) -> None:
        """Count those that somebody's transaction holds."""
        self.locked = sum(1 for delivery in list(self) if delivery.again_at)


def drop(delivery: Delivery, why: Refusal, guard: Guard) -> None:
    """Drop a ticket whose claim was refused for good.

    Of a paused one as well: its job is held in a moment, or published again if we die before that.
    """
    logger.debug(
        "Job %s: message with token %d dropped (%s)", delivery.id, delivery.token, why.value
    )
    delivery.drop()
    if why == Refusal.EXPIRED:
        interventions.expire([delivery.id])
    elif why == Refusal.UNKNOWN:
        queue = str(delivery.message.delivery_info.get("routing_key", ""))
        task = str(delivery.message.headers.get("task", ""))
        guard.note(Sighting(kind=Kind.UNKNOWN_JOB, queue=queue, task=task, job=delivery.id))


def shelve(paused: Sequence[Delivery]) -> None:
    """Hold jobs of what is paused; where that fails they are found missing from the broker, and come again."""
    if paused:
        try:
            pauses.shelve((delivery.id, delivery.token) for delivery in paused)
        except Exception as error:
            if not is_passing(error):
                raise
            logger.warning("%d paused jobs are not held yet: %s", len(paused), error)


class Pace:
    """How long jobs run here, as measured."""

    def __init__(self) -> None:
        self._run_time: float | None = None

    def ran(self, seconds: float) -> None:
        """Note how long a job has run."""
        before = self._run_time if self._run_time is not None else seconds
        self._run_time = before + SMOOTHING * (seconds - before)

    def ahead(self, slots: int) -> int:
        """Claim ahead as much as is worked off in a blink: much while jobs are short, nothing while they are long."""
        settings = get_settings()
        if self._run_time is None:
            return slots
        each = int(settings.claim_ahead_seconds / max(self._run_time, 1e-4))
        return slots * min(each, settings.claim_ahead_max)
