"""The rescuer: gives back the jobs of workers whose lease ran out. Every worker looks, one gets each job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from holdfast import events
from holdfast.ledger import interventions, workers
from holdfast.ledger.database import dialect
from holdfast.ledger.records import Ticket
from holdfast.upkeep.pulse import Pulse

logger = logging.getLogger("holdfast.upkeep")
BATCH = 500


class Rescuer:
    """Acts only while its own pulse gives it the right to, see `Pulse`; `waits` tells that it did not."""

    def __init__(self, pulse: Pulse, publish: Callable[[Sequence[Ticket]], None]) -> None:
        self._pulse = pulse
        self._publish = publish
        self.waits = False

    def one_pass(self) -> int:
        """Declare lapsed workers lost and give their jobs back; return how many."""
        now = dialect().now()
        reason = self._pulse.why_not(now)
        self.waits = bool(reason)
        if reason:
            events.rescuer_waits.send(sender=type(self), reason=reason)
            return 0
        lost = workers.declare_lost(now=now, watched=self._pulse.steady_seconds)
        lapsed, worker_of = workers.lapsed_jobs(limit=BATCH)
        if not lapsed:
            return 0
        tickets = interventions.rescue(lapsed, worker_of=worker_of)
        self._publish(tickets)
        logger.warning(
            "Gave back %d jobs of workers that are gone (%d lost now)", len(tickets), lost
        )
        events.jobs_rescued.send(sender=type(self), count=len(tickets), workers=lost)
        return len(tickets)
