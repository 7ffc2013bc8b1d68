"""The table of samples: how much waited in a queue at about the beginning of a minute, so that a chart can show it."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class QueueSample(models.Model):
    """One queue in one minute, by the database's clock. No row: nothing waited, or nobody looked."""

    queue = KeyField()
    at = models.DateTimeField()
    waiting = models.IntegerField()
    # Since the one that waited longest was put on the broker.
    oldest_seconds = models.FloatField()

    class Meta:
        db_table = "holdfast_queue_sample"
        constraints = [
            models.UniqueConstraint(fields=["queue", "at"], name="holdfast_queue_sample_once")
        ]
        indexes = [models.Index(fields=["at"], name="holdfast_queue_sample_at")]

    def __str__(self) -> str:
        return f"{self.queue} {self.at:%Y-%m-%d %H:%M}: {self.waiting}"
