"""The tables of limits and pauses: what may be queued or run at once, who takes part in it, and what is stopped."""

from __future__ import annotations

from enum import IntEnum

from django.db import models
from django.db.models import Q

from holdfast.ledger.models.jobs import KeyField


class Place(IntEnum):
    """Where a job stands at one of its limits. Stored as a small integer: never renumber."""

    AWAY = 0
    WAITING = 1
    ADMITTED = 2


class Limit(models.Model):
    """One limit: what the code says of it, what was set at run time, and the state of its admissions."""

    name = KeyField(primary_key=True)
    # JSON of `Bounds`: the code's, and those that were set at run time and win.
    declared = models.TextField(default="{}")
    override = models.TextField(default="", blank=True)
    # The bucket of the rate; no time: it is full.
    tokens = models.FloatField(default=0.0)
    refilled_at = models.DateTimeField(null=True)
    # Where the round of the keys stands.
    last_key = KeyField(default="")
    changed_at = models.DateTimeField()

    class Meta:
        db_table = "holdfast_limit"

    def __str__(self) -> str:
        return self.name


class Limited(models.Model):
    """One job at one of its limits; kept as long as the job. It waits at one limit at a time."""

    job = KeyField()
    name = KeyField()
    key = KeyField(default="")
    weight = models.IntegerField(default=1)
    # The priority turned round, so that the index is in the order of the line.
    rank = models.SmallIntegerField(default=0)
    place = models.SmallIntegerField(choices=[(int(p), p.name.lower()) for p in Place])

    class Meta:
        db_table = "holdfast_limited"
        constraints = [
            models.UniqueConstraint(fields=["job", "name"], name="holdfast_limited_once")
        ]
        indexes = [
            models.Index(
                fields=["name", "key", "rank", "id"],
                name="holdfast_limited_waiting",
                condition=Q(place=Place.WAITING),
            ),
            models.Index(
                fields=["name", "key"],
                name="holdfast_limited_admitted",
                condition=Q(place=Place.ADMITTED),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job} {Place(self.place).name.lower()} at {self.name}"
