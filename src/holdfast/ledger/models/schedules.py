"""The tables of schedules: what is decided of each, one row for every due time that was, and who schedules."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class Decision:
    """What became of an occurrence."""

    FIRED = "fired"
    SKIPPED = "skipped"
    MISSED = "missed"
    FAILED = "failed"


class Schedule(models.Model):
    """One periodic rule by its name: up to when its due times are decided."""

    name = KeyField(primary_key=True)
    timing = models.TextField()
    # Due times of an interval are multiples of it from here, so every scheduler computes the same ones.
    anchor_at = models.DateTimeField()
    # The fence: a decision moves it in its own transaction, and only from where it was read.
    decided_until = models.DateTimeField()
    # False: no source names it any more. If one does again, it begins anew.
    active = models.BooleanField(default=True, db_default=True)

    class Meta:
        db_table = "holdfast_schedule"

    def __str__(self) -> str:
        return f"{self.name}: {self.timing}"


class Occurrence(models.Model):
    """One due time of a schedule and what became of it; the unique pair is why two schedulers make one job."""

    schedule = KeyField()
    due_at = models.DateTimeField()
    outcome = models.CharField(max_length=16)
    job = KeyField(null=True)  # type: ignore[misc]  # the stub of CharField is not generic in null
    reason = models.TextField(default="", blank=True)
    decided_at = models.DateTimeField()

    class Meta:
        db_table = "holdfast_occurrence"
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="holdfast_occurrence_once")
        ]
        indexes = [models.Index(fields=["decided_at"], name="holdfast_occurrence_decided")]

    def __str__(self) -> str:
        return f"{self.schedule} {self.due_at.isoformat()} {self.outcome}"


class SchedulerProcess(models.Model):
    """One process of `celery beat`, as it tells of itself; no decision rests on it."""

    id = models.UUIDField(primary_key=True)
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    leads_since = models.DateTimeField(null=True)

    class Meta:
        db_table = "holdfast_scheduler"

    def __str__(self) -> str:
        return f"{self.host} {self.pid}"
