"""The tables of sums: what became of all jobs since counting began, and how often something happened."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class Total(models.Model):
    """The jobs of one task, of one queue, or of all, since counting began; "" is what a row does not tell apart.

    The numbers only rise: each minute is added once, by the transaction that writes it.
    """

    task = KeyField()
    queue = KeyField()
    recorded = models.BigIntegerField(default=0)
    succeeded = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    retried = models.BigIntegerField(default=0)
    run_seconds = models.FloatField(default=0.0)
    # See `holdfast.ledger.histograms`.
    waits = models.TextField(default="{}")
    runs = models.TextField(default="{}")
    changed_at = models.DateTimeField()
    # Of the row of all: which calls are counted already, by the time in their ids.
    recorded_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "holdfast_total"
        constraints = [
            models.UniqueConstraint(fields=["task", "queue"], name="holdfast_total_once")
        ]

    def __str__(self) -> str:
        return self.task or self.queue or "all"


class Count(models.Model):
    """How often something has happened since counting began, told by the processes in which it did."""

    name = models.CharField(max_length=50)
    label = models.CharField(max_length=100, default="", blank=True)
    n = models.BigIntegerField(default=0)

    class Meta:
        db_table = "holdfast_count"
        constraints = [
            models.UniqueConstraint(fields=["name", "label"], name="holdfast_count_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.label}: {self.n}"
