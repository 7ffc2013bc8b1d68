"""Which of many schedulers acts: the holder of a duty row, until it stops renewing."""

from __future__ import annotations

import logging
import time
from uuid import UUID, uuid4

from holdfast import events
from holdfast.ledger import schedules, workers
from holdfast.ledger.database import dialect

logger = logging.getLogger("holdfast.beat")
# How long the duty stands without renewal. With the others' pause between looks far less than the 15 s promised.
DUTY_SECONDS = 6.0
RENEW_SECONDS = DUTY_SECONDS / 4


class Leader:
    """One scheduler's claim to act for all.

    It is no lock: a leader that froze may wake and still believe in its duty. What keeps that harmless is the
    fence in `schedules.decide`; the duty only spares the others the work.
    """

    def __init__(self) -> None:
        self.id: UUID = uuid4()
        self._leads = False
        self._renewed = float("-inf")

    @property
    def mark(self) -> str:
        """What this scheduler's transactions are called, so that the next leader can end one that hangs."""
        return _mark(self.id)

    def leads(self) -> bool:
        """Take, keep or wait for the duty; cheap enough to ask before every decision."""
        now = time.monotonic()
        if self._leads and now - self._renewed < RENEW_SECONDS:
            return True
        led, self._leads = self._leads, False
        holder, free = schedules.duty_holder()
        if not (free or holder == self.id):
            return False
        if not workers.take_duty(schedules.DUTY, self.id, seconds=DUTY_SECONDS):
            return False
        if not led:
            self._take_over(holder)
        self._leads, self._renewed = True, now
        return True

    def leave(self) -> None:
        """Free the duty, so that the next scheduler need not wait."""
        if self._leads:
            self._leads = False
            workers.leave_duty(schedules.DUTY, self.id)

    def doubt(self) -> None:
        """Ask the database at the next question: who cannot reach it cannot know that nobody else leads."""
        self._leads = False

    def _take_over(self, before: UUID | None) -> None:
        """End what the last leader left open: frozen in a transaction it would hold the row of its schedule."""
        if before is not None and before != self.id:
            ended = dialect().end_transactions([_mark(before)])
            logger.warning(
                "The scheduler %s stopped renewing: %s leads now (%d open transactions ended)",
                before,
                self.id,
                ended,
            )
        else:
            logger.info("This scheduler leads: %s", self.id)
        events.scheduler_leads.send(sender=type(self), scheduler=self.id, before=before)


def _mark(scheduler: UUID) -> str:
    return f"holdfast:schedules:{scheduler.hex}"
