"""The pruner: deletes what has outlived its retention, in small transactions. One worker does it for all."""

from __future__ import annotations

from datetime import timedelta

from holdfast import events
from holdfast.conf import get_settings
from holdfast.ledger import audit, effects, queries, workers
from holdfast.ledger.states import DEAD_LETTERS, FINAL

WORKERS_KEPT = timedelta(days=1)


class Pruner:
    """Results are kept as long as Celery's `result_expires` says, dead letters for `dead_letter_days`.

    Effects are kept as long as each says, and as long as their job; the audit for `audit_days`.
    """

    def __init__(self, *, results_kept_seconds: float | None) -> None:
        self._kept = results_kept_seconds

    def one_pass(self) -> int:
        """Delete a batch; return how many jobs and effects it was about."""
        settings = get_settings()
        # These have times of their own, also where results are kept for ever.
        looked_at = effects.prune(limit=settings.prune_batch)
        audit.prune(older_than=timedelta(days=settings.audit_days), limit=settings.prune_batch)
        if not self._kept:
            return looked_at
        succeeded = timedelta(seconds=self._kept)
        dead = max(succeeded, timedelta(days=settings.dead_letter_days))
        count = queries.prune_finished(
            states=FINAL - DEAD_LETTERS, before=succeeded, limit=settings.prune_batch
        )
        count += queries.prune_finished(
            states=DEAD_LETTERS, before=dead, limit=settings.prune_batch
        )
        queries.prune_stored(before=succeeded, limit=settings.prune_batch)
        workers.prune_workers(older_than=WORKERS_KEPT)
        if count:
            events.jobs_pruned.send(sender=type(self), count=count)
        return count + looked_at
