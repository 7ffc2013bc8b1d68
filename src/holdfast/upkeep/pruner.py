"""The pruner: deletes what has outlived its retention, in small transactions. One worker does it for all."""

from __future__ import annotations

import time
from datetime import timedelta

from holdfast import events
from holdfast.conf import get_settings
from holdfast.ledger import (
    audit,
    batches,
    chords,
    effects,
    failures,
    minutes,
    operations,
    releases,
    security,
    totals,
    unique,
    workers,
)
from holdfast.ledger.reads import queries
from holdfast.ledger.states import DEAD_LETTERS, FINAL
from holdfast.policies.retention import Keep, Retention

WORKERS_KEPT = timedelta(days=1)
# Jobs are deleted for so long in one pass, batch by batch; then the other work of the loop has its turn.
BUDGET_SECONDS = 0.25


class Pruner:
    """Jobs are kept as long as their task says, or else as long as `result_expires`; dead letters `dead_letter_days`.

    Effects are kept as long as each says, and as long as their job; the audit, security events and operations for
    `audit_days`; unique keys as long as their job and their period; what became of jobs minute by minute
    for `minute_days`.
    """

    def __init__(
        self, *, results_kept_seconds: float | None, retention: Retention | None = None
    ) -> None:
        self._kept = results_kept_seconds
        self._retention = retention

    def one_pass(self) -> int:
        """Delete for a quarter of a second at most; return how many rows were deleted or looked at."""
        settings = get_settings()
        # These have times of their own, also where results are kept for ever.
        looked_at = effects.prune(limit=settings.prune_batch)
        looked_at += unique.prune(limit=settings.prune_batch)
        looked_at += minutes.prune(
            older_than=timedelta(days=settings.minute_days), limit=settings.prune_batch
        )
        totals.prune()
        audit_kept = timedelta(days=settings.audit_days)
        audit.prune(older_than=audit_kept, limit=settings.prune_batch)
        security.prune(older_than=audit_kept, limit=settings.prune_batch)
        operations.prune(older_than=audit_kept, limit=settings.prune_batch)
        dead_kept = timedelta(days=settings.dead_letter_days)
        failures.prune(older_than=dead_kept, limit=settings.prune_batch)
        if self._kept:
            before = timedelta(seconds=self._kept)
            dead = max(before, timedelta(days=settings.dead_letter_days))
            batches.prune(succeeded_before=before, before=dead, limit=settings.prune_batch)
            chords.prune(before=before, unfired_before=dead, limit=settings.prune_batch)
            queries.prune_stored(before=before, limit=settings.prune_batch)
            workers.prune_workers(older_than=WORKERS_KEPT)
            releases.prune(older_than=WORKERS_KEPT)
        count = self._prune_jobs(limit=settings.prune_batch)
        if count:
            events.jobs_pruned.send(sender=type(self), count=count)
        return count + looked_at

    def _prune_jobs(self, *, limit: int) -> int:
        total = 0
        begun = time.monotonic()
        while batch := self._prune_by_age(limit) + self._prune_by_task(limit):
            total += batch
            if time.monotonic() - begun > BUDGET_SECONDS:
                break
        return total

    def _prune_by_age(self, limit: int) -> int:
        if not self._kept:
            return 0
        succeeded = timedelta(seconds=self._kept)
        dead = max(succeeded, timedelta(days=get_settings().dead_letter_days))
        return queries.prune_finished(
            states=FINAL - DEAD_LETTERS, before=succeeded, limit=limit
        ) + queries.prune_finished(states=DEAD_LETTERS, before=dead, limit=limit)

    def _prune_by_task(self, limit: int) -> int:
        """Prune the jobs of tasks that have, or had when the jobs were recorded, a rule of their own."""
        if self._retention is None:
            return 0
        usual = timedelta(seconds=self._kept) if self._kept else None
        count = 0
        for task in queries.tasks_kept_apart():
            rule = self._retention.rule(task) or Keep()
            count += queries.prune_kept_apart(
                task, before=rule.age or usual, last=rule.last, limit=limit
            )
        return count
