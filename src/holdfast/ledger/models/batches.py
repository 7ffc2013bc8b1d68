"""The table of batches: what is to be called at their ends, and which of these ends have come."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from holdfast.ledger.models.jobs import KeyField


class Batch(models.Model):
    """A set of jobs with callbacks. Its members are the jobs that carry its id; nothing here counts them."""

    id = KeyField(primary_key=True)
    name = models.CharField(max_length=255, default="", blank=True)
    # The batch this one is a member of.
    parent_id = KeyField(null=True)  # type: ignore[misc]  # the stub of CharField is not generic in null
    # JSON: the signatures to call by event ("success", "complete", "failure"), and the jobs they became.
    callbacks = models.TextField(default="{}")
    called = models.TextField(default="{}")
    created_at = models.DateTimeField()
    sealed_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    # The operation that cancels its members: until that is over no loop does. None: whoever meets them.
    cancelling = models.BigIntegerField(null=True)
    # A member may be open: a loop looks at it until none is.
    watched = models.BooleanField(default=True)
    # A member that had not succeeded was deleted: nobody can say any more that all did.
    spoiled = models.BooleanField(default=False)
    # Members whose rows are gone after their retention. For display alone: no end is computed from it.
    deleted = models.IntegerField(default=0)

    class Meta:
        db_table = "holdfast_batch"
        indexes = [
            models.Index(fields=["id"], name="holdfast_batch_watched", condition=Q(watched=True)),
            models.Index(
                fields=["parent_id"],
                name="holdfast_batch_parent",
                condition=Q(parent_id__isnull=False),
            ),
            models.Index(
                fields=["succeeded_at"],
                name="holdfast_batch_succeeded",
                condition=Q(succeeded_at__isnull=False),
            ),
            models.Index(
                fields=["completed_at"],
                name="holdfast_batch_completed",
                condition=Q(completed_at__isnull=False, succeeded_at=None),
            ),
            models.Index(
                fields=["id"],
                name="holdfast_batch_failed",
                condition=Q(failed_at__isnull=False, succeeded_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'batch'}[{self.id}]"
