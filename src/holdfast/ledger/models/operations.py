"""The table of operations: one thing done to every job that matches a filter, slice by slice."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

RUNNING = "running"


class Operation(models.Model):
    """What was asked for, how far it has come, and how it ended; its counts move with the jobs of a slice."""

    kind = models.CharField(max_length=16)
    # running, done, stopped or failed: see `holdfast.ledger.operations`.
    state = models.CharField(max_length=8, default=RUNNING)
    # JSON: which jobs, and what the kind takes beside them.
    filter = models.TextField(default="{}")
    options = models.TextField(default="{}")
    actor = models.CharField(max_length=255, default="", blank=True)
    reason = models.TextField(default="", blank=True)
    asked_at = models.DateTimeField()
    worked_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # JSON: the last job that was looked at; empty before the first slice, and "end" behind the last one.
    cursor = models.TextField(default="", blank=True)
    # JSON: jobs that somebody's transaction held when they were looked at.
    put_off = models.TextField(default="[]", blank=True)
    # How many jobs there were when it was asked for, and whether they were counted or estimated.
    total = models.BigIntegerField(default=0)
    total_exact = models.BooleanField(default=False)
    done = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    error = models.TextField(default="", blank=True)

    class Meta:
        db_table = "holdfast_operation"
        indexes = [
            models.Index(fields=["id"], name="holdfast_operation_open", condition=Q(state=RUNNING)),
            models.Index(fields=["ended_at"], name="holdfast_operation_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} {self.state}"
