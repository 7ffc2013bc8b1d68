"""The tables of failures by cause: kept beside attempts, so that nobody counts a million rows to show a page."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class Cause(models.Model):
    """What failed attempts have in common: their fingerprint, with what the latest of them said."""

    fingerprint = KeyField(max_length=16, primary_key=True)
    task = models.CharField(max_length=255)
    # One line.
    error = models.CharField(max_length=300, default="", blank=True)
    failures = models.BigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    # JSON: the latest failures, newest first, as [job, number, queue, worker]; and the queues they were of.
    recent = models.TextField(default="[]")
    queues = models.TextField(default="[]")

    class Meta:
        db_table = "holdfast_cause"
        indexes = [models.Index(fields=["last_at"], name="holdfast_cause_last")]

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.task}"


class CauseCount(models.Model):
    """How many attempts failed for one cause in ten minutes, by the database's clock."""

    fingerprint = KeyField(max_length=16)
    at = models.DateTimeField()
    failures = models.BigIntegerField(default=0)

    class Meta:
        db_table = "holdfast_cause_count"
        constraints = [
            models.UniqueConstraint(fields=["fingerprint", "at"], name="holdfast_cause_count_once")
        ]
        indexes = [models.Index(fields=["at"], name="holdfast_cause_count_at")]

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.at:%H:%M}"
