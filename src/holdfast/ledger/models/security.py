"""The table of security events: what came over the broker and was not one of our messages; never what was in it."""

from __future__ import annotations

from django.db import models


class SecurityEvent(models.Model):
    """Messages of one kind that one worker met in one minute, counted; task, job and digest are of the first."""

    at = models.DateTimeField()
    last_at = models.DateTimeField()
    kind = models.CharField(max_length=32)
    queue = models.CharField(max_length=255, default="", blank=True)
    # What the message says of itself: nothing of it is checked.
    task = models.CharField(max_length=255, default="", blank=True)
    job = models.CharField(max_length=255, default="", blank=True)
    worker = models.UUIDField(null=True)
    # Of the first message: SHA-256 of its bytes, and how many there are.
    digest = models.CharField(max_length=64, default="", blank=True)
    size = models.BigIntegerField(default=0)
    count = models.BigIntegerField(default=1)
    # It was run all the same, as HOLDFAST["unsigned"] says.
    accepted = models.BooleanField(default=False)

    class Meta:
        db_table = "holdfast_security_event"
        indexes = [models.Index(fields=["at"], name="holdfast_security_event_at")]

    def __str__(self) -> str:
        return f"{self.kind} on {self.queue}"
