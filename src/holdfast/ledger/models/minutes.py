"""The table of minutes: what became of jobs, counted once, so that a chart of a day reads no job."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class Minute(models.Model):
    """The jobs that ended in one minute, by the database's clock: of one task, of one queue, or all.

    Written once and never changed. A row has a task or a queue, and "" for what it does not tell apart; the row of all
    has neither, and stands for a minute that was counted as a whole.
    """

    at = models.DateTimeField()
    task = KeyField()
    queue = KeyField()
    succeeded = models.BigIntegerField(default=0)
    # Those that became dead letters: failed, or dead.
    failed = models.BigIntegerField(default=0)
    # Cancelled, or expired.
    cancelled = models.BigIntegerField(default=0)
    # Attempts that they took beyond one each.
    retried = models.BigIntegerField(default=0)
    run_seconds = models.FloatField(default=0.0)
    # How long the last attempt of each waited for a worker, and ran: see `holdfast.ledger.histograms`.
    waits = models.TextField(default="{}")
    runs = models.TextField(default="{}")

    class Meta:
        db_table = "holdfast_minute"
        constraints = [
            models.UniqueConstraint(fields=["task", "queue", "at"], name="holdfast_minute_once")
        ]
        indexes = [models.Index(fields=["at"], name="holdfast_minute_at")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.task or self.queue or 'all'}"
