"""The tables of pauses: what is stopped in the whole cluster, and the jobs that wait for its end."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class Pause(models.Model):
    """A queue or task of which nothing is claimed, or a schedule that makes no jobs. No row: it runs.

    Every claim reads this table, so it is small.
    """

    kind = models.CharField(max_length=8)
    name = KeyField()
    by = models.CharField(max_length=255, default="", blank=True)
    reason = models.TextField(default="", blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "holdfast_pause"
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="holdfast_pause_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Shelved(models.Model):
    """A job that came to a worker while its queue or its task was paused, and is held until it is resumed."""

    job = KeyField(primary_key=True)
    queue = KeyField()
    task = KeyField()

    class Meta:
        db_table = "holdfast_shelved"
        indexes = [models.Index(fields=["queue", "task", "job"], name="holdfast_shelved_place")]

    def __str__(self) -> str:
        return self.job
