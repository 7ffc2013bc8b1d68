"""The settler: tells those who wait for jobs that ended without their own attempt. One worker does it for all."""

from __future__ import annotations

from collections.abc import Callable

from holdfast import events
from holdfast.ledger import queries

BATCH = 200


class Settler:
    """A chord, chain or error callback must hear of a member that was cancelled, expired or became dead."""

    def __init__(self, settle: Callable[[str], None]) -> None:
        self._settle = settle

    def one_pass(self) -> int:
        """Tell the waiters of a batch of jobs; return how many jobs."""
        ids = queries.unsettled(limit=BATCH)
        for job_id in ids:
            self._settle(job_id)
        if ids:
            events.jobs_settled.send(sender=type(self), count=len(ids))
        return len(ids)
