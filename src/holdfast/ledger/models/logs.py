"""The table of what attempts have logged; only the ledger package touches it."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class AttemptLog(models.Model):
    """The lines one attempt has logged, capped; written with its end, and only if there are any."""

    job = KeyField()
    number = models.IntegerField()
    text = models.TextField()

    class Meta:
        db_table = "holdfast_attempt_log"
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="holdfast_attempt_log_once")
        ]

    def __str__(self) -> str:
        return f"{self.job}, attempt {self.number}"
