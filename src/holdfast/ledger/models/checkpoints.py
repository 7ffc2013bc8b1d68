"""The table of checkpoints: what a job's attempts left for the next one to go on from."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class Checkpoint(models.Model):
    """The latest state that an attempt of a job saved. No row: none did, or the job has succeeded since."""

    job = KeyField(primary_key=True)
    # JSON.
    state = models.TextField()
    # Of the attempt that saved it.
    token = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        db_table = "holdfast_checkpoint"

    def __str__(self) -> str:
        return f"{self.job} at {self.at}"
