"""The table of effects: which calls to the world outside were begun, and what the finished ones returned."""

from __future__ import annotations

from enum import IntEnum

from django.db import models
from django.db.models import Q

from holdfast.ledger.models.jobs import KeyField


class EffectState(IntEnum):
    """Where an effect is. Stored as a small integer: never renumber."""

    BEGUN = 0
    DONE = 1


class Effect(models.Model):
    """One call to the world outside, by its key. No row: it was never begun, or its time here is over."""

    key = KeyField(primary_key=True)
    state = models.SmallIntegerField(choices=[(int(s), s.name.lower()) for s in EffectState])
    # Who began it last: the caller's own number, and its attempt if it is a job's.
    turn = models.UUIDField()
    job = KeyField(null=True)  # type: ignore[misc]  # the stub of CharField is not generic in null
    token = models.BigIntegerField(null=True)
    # From the second time on the call is in doubt: an earlier caller may have made it.
    times_begun = models.IntegerField(default=1)
    begun_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    result = models.BinaryField(null=True)
    content_type = models.CharField(max_length=100, default="")
    content_encoding = models.CharField(max_length=50, default="")

    class Meta:
        db_table = "holdfast_effect"
        indexes = [
            models.Index(fields=["expires_at"], name="holdfast_effect_expires"),
            # Those that are under way or in doubt: few among many.
            models.Index(
                fields=["begun_at"],
                name="holdfast_effect_begun",
                condition=Q(state=EffectState.BEGUN),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {EffectState(self.state).name.lower()}"
