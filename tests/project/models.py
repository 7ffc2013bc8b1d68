"""What the test project's atomic tasks write: rows in the ledger's own database, counted by the chaos scenarios."""

from __future__ import annotations

from django.db import models


class AtomicEffect(models.Model):
    """One effect of an atomic job. Not unique on purpose: a second row is the duplicate a test must see."""

    id = models.BigAutoField(primary_key=True)
    job = models.CharField(max_length=255, db_index=True)

    class Meta:
        db_table = "project_atomic_effect"
