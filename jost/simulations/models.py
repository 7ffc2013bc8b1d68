"""Simulations, the counts of their chunks and studies of several; written by web and cpu workers, read by all."""

from functools import cached_property
from typing import Any, Self
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models
from django.urls import reverse

from .engine import Tally, chunk_size, chunks_of
from .setup import Setup

# What a Chunk keeps of its tally for good: enough for an estimate, and for the stop rule.
SUMS = ("rounds", "payoff_sum", "squares", "spot_squares")


class Study(models.Model):
    """Simulations that are looked at together: setups side by side, or one rule at several values."""

    class Kind(models.TextChoices):
        COMPARE = "compare"
        SWEEP = "sweep"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    # None where nobody signs in: then it is the staff's, if people have to sign in later.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="studies"
    )
    kind = models.CharField(max_length=16, choices=Kind)
    name = models.CharField(max_length=200, blank=True)
    # Of a sweep: a key of a rules file such as "dealing.penetration", and what stands there in turn.
    key = models.CharField(max_length=100, blank=True)
    values = models.JSONField(default=list)
    rounds = models.BigIntegerField()
    seed = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name or (f"sweep of {self.key}" if self.key else "comparison")

    def get_absolute_url(self) -> str:
        return reverse("simulations:study", args=[self.id])

    @property
    def in_order(self) -> "models.QuerySet[Simulation]":
        """Its simulations, the first of the setups or values first."""
        return Simulation.objects.filter(study=self).order_by("place")


class Simulation(models.Model):
    """So many rounds of this setup with this seed: with the target that alone decides its answer."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        PAUSED = "paused"
        SUCCEEDED = "succeeded"
        CANCELLED = "cancelled"
        FAILED = "failed"

    # Jobs of it wait or run.
    ACTIVE = (State.QUEUED, State.RUNNING)
    RESUMABLE = (State.PAUSED, State.FAILED)
    # Nothing that jobs do changes it any more.
    OVER = (State.SUCCEEDED, State.CANCELLED)
    # Those of ten kilobytes and more, which a list does without.
    HEAVY = ("held", "tally")

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    # That of its study, if it has one.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="simulations"
    )
    name = models.CharField(max_length=200, blank=True)
    # A whole rules file in normal form.
    rules = models.JSONField()
    # Once the target has been reached: those of the answer.
    rounds = models.BigIntegerField()
    seed = models.BigIntegerField()
    # Half the width of the 95 % interval of the value at which it may end.
    target = models.FloatField(null=True)
    # Chunks of different engines must never be added up.
    engine_version = models.SmallIntegerField()
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    reason = models.TextField(blank=True)
    # Its jobs were sent so many times: at the start, by resume, by extend. The last ones are of this batch.
    leg = models.IntegerField(default=0)
    batch_id = models.CharField(max_length=64, blank=True)
    # The sum of the chunks whose own tally has been let go.
    held = models.JSONField(null=True)
    # The last answer, which stays while the simulation is extended.
    tally = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # How long it ran in legs that are over, and since when in this one.
    seconds_before = models.FloatField(default=0)
    active_since = models.DateTimeField(null=True)
    study = models.ForeignKey(Study, models.CASCADE, null=True, related_name="simulations")
    place = models.SmallIntegerField(default=0)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["-created_at"], name="simulation_newest")]

    def __str__(self) -> str:
        return self.name or f"{self.rounds:,} rounds of {self.setup}"

    def get_absolute_url(self) -> str:
        return reverse("simulations:detail", args=[self.id])

    @cached_property
    def setup(self) -> Setup:
        return Setup.from_dict(self.rules)

    @property
    def seats(self) -> int:
        """Those of the setup, without reading all of it."""
        return int(self.rules["seats"])

    @property
    def held_tallies(self) -> list[Tally]:
        """The sum of the chunks that have no tally of their own any more, if there are such."""
        return [] if self.held is None else [Tally.from_dict(self.held)]

    @property
    def chunks_planned(self) -> int:
        return chunks_of(self.rounds)

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

    @property
    def is_over(self) -> bool:
        return self.state in self.OVER

    @property
    def can_pause(self) -> bool:
        return self.is_active

    @property
    def can_resume(self) -> bool:
        return self.state in self.RESUMABLE

    @property
    def can_cancel(self) -> bool:
        return not self.is_over

    @property
    def can_extend(self) -> bool:
        return self.state in (*self.ACTIVE, self.State.PAUSED, self.State.SUCCEEDED)


class Chunk(models.Model):
    """The counts of one chunk; written once, by whichever attempt comes first.

    Only a chunk that the end of its simulation cut short is written again, by one with more rounds.
    """

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="chunks")
    index = models.IntegerField()
    rounds = models.BigIntegerField()
    payoff_sum = models.BigIntegerField(help_text="of all spots, in tenths of the bet")
    squares = models.BigIntegerField(help_text="of the payoffs of rounds, in tenths, squared")
    spot_squares = models.BigIntegerField(help_text="of the payoffs of spots, in tenths, squared")
    tally = models.JSONField(null=True, help_text="null once the simulation holds it in its sum")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["simulation", "index"], name="chunk_counted_once")
        ]

    def __str__(self) -> str:
        return f"chunk {self.index} of {self.simulation_id}"

    @property
    def is_whole(self) -> bool:
        """No extension of the simulation changes it."""
        return self.rounds == chunk_size(self.index)

    @classmethod
    def of(cls, simulation_id: UUID, *, index: int, tally: Tally) -> Self:
        return cls(simulation_id=simulation_id, index=index, **counts_of(tally))


def counts_of(tally: Tally) -> dict[str, Any]:
    """What a chunk's row says of its tally."""
    row = tally.whole()
    return {
        "rounds": tally.rounds,
        "payoff_sum": row.payoff_sum,
        "squares": row.squares,
        "spot_squares": row.spot_squares,
        "tally": tally.to_dict(),
    }


def tallies_of(chunks: "models.QuerySet[Chunk]") -> list[Tally]:
    """The tallies of those among these chunks that have one of their own."""
    values = chunks.filter(tally__isnull=False).values_list("tally", flat=True)
    return [Tally.from_dict(each) for each in values if each is not None]
