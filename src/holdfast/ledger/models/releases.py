"""The table of releases: what the code of the workers is, so that two that differ are told apart."""

from __future__ import annotations

from django.db import models

from holdfast.ledger.models.jobs import KeyField


class Release(models.Model):
    """The code of workers, one row for all that have the same; written when one registers. Nothing rests on it."""

    key = KeyField(primary_key=True)
    # JSON: the parameters of each task by its name, and the versions of libraries by theirs.
    tasks = models.TextField(default="{}")
    versions = models.TextField(default="{}")
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "holdfast_release"

    def __str__(self) -> str:
        return self.key
