"""The settler: tells those who wait for jobs that ended without their own attempt. One worker does it for all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from holdfast import events
from holdfast.ledger.database import is_passing
from holdfast.ledger.reads import queries

logger = logging.getLogger("holdfast.upkeep")
BATCH = 200
AGAIN_SECONDS = 60.0


class Settler:
    """A chord, chain or error callback must hear of a member that was cancelled, expired or became dead."""

    def __init__(
        self, settle: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settle = settle
        self._monotonic = monotonic
        self._put_off: dict[str, float] = {}

    def one_pass(self) -> int:
        """Tell the waiters of a batch of jobs; return how many jobs."""
        now = self._monotonic()
        self._put_off = {id: until for id, until in self._put_off.items() if until > now}
        ids = queries.unsettled(limit=BATCH, but=self._put_off)
        for job_id in ids:
            try:
                self._settle(job_id)
            except Exception as error:
                if is_passing(error):
                    raise
                # Jobs whose waiters cannot be told must not keep the others from being told or rescued.
                logger.exception("Those who wait for job %s could not be told", job_id)
                self._put_off[job_id] = now + AGAIN_SECONDS
        told = len(ids) - len(self._put_off.keys() & set(ids))
        if told:
            events.jobs_settled.send(sender=type(self), count=told)
        return told
