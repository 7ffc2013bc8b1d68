"""The table of examinations: what the doctor has found when somebody last asked it in the console."""

from __future__ import annotations

from django.db import models


class Examination(models.Model):
    """The last examination; one row, as what was found before is of no use."""

    number = models.SmallIntegerField(primary_key=True)
    at = models.DateTimeField()
    by = models.CharField(max_length=255, default="", blank=True)
    errors = models.IntegerField(default=0)
    warnings = models.IntegerField(default=0)
    report = models.TextField(default="{}")

    class Meta:
        db_table = "holdfast_examination"

    def __str__(self) -> str:
        return f"{self.errors} errors, {self.warnings} warnings"
