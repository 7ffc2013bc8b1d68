"""The settler: tells those who wait for jobs that ended without their own attempt. One worker does it for all."""

from __future__ import annotations

import logging
from collections.abc import Callable

from holdfast import events
from holdfast.ledger import queries
from holdfast.ledger.database import is_passing

logger = logging.getLogger("holdfast.upkeep")
BATCH = 200


class Settler:
    """A chord, chain or error callback must hear of a member that was cancelled, expired or became dead."""

    def __init__(self, settle: Callable[[str], None]) -> None:
        self._settle = settle

    def one_pass(self) -> int:
        """Tell the waiters of a batch of jobs; return how many jobs."""
        ids = queries.unsettled(limit=BATCH)
        for job_id in ids:
            try:
                self._settle(job_id)
            except Exception as error:
                if is_passing(error):
                    raise
                # One job whose waiters cannot be told must not keep the others from being told or rescued.
                logger.exception("Those who wait for job %s could not be told", job_id)
        if ids:
            events.jobs_settled.send(sender=type(self), count=len(ids))
        return len(ids)
