"""The table of unique keys: which job was recorded last under each; jobs that are not unique never touch it."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class UniqueKey(models.Model):
    """One key and the job it was given to last. Whether that job stands in the way is told by the job's own row."""

    key = KeyField(primary_key=True)
    job = KeyField()
    # Of the scope "period": until then the key is taken, whatever became of the job.
    until = models.DateTimeField(null=True)
    # Others wait for the job by its id, so nothing else may be put in its place.
    awaited = models.BooleanField(default=False)
    given_at = models.DateTimeField()
    # When the pruner looks whether anybody needs the row.
    look_at = models.DateTimeField()

    class Meta:
        db_table = "holdfast_unique_key"
        indexes = [models.Index(fields=["look_at"], name="holdfast_unique_key_look")]

    def __str__(self) -> str:
        return f"{self.key} of {self.job}"
