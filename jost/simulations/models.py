"""A simulation and the counts of its chunks; written by web and cpu workers, read by all."""

from typing import Self
from uuid import UUID, uuid4, uuid5

from django.db import models
from django.urls import reverse

from .engine import Plan, Rules, Tally


class Simulation(models.Model):
    """So many rounds under these rules with this seed: that alone decides its answer."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        CANCELLED = "cancelled"
        FAILED = "failed"

    ACTIVE = (State.QUEUED, State.RUNNING)
    # Beyond return. A failed one is not: its failed job can be replayed.
    OVER = (State.SUCCEEDED, State.CANCELLED)

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    rules = models.JSONField()
    rounds = models.BigIntegerField()
    seed = models.BigIntegerField()
    chunk_size = models.IntegerField()
    # Chunks of different engines must never be added up.
    engine_version = models.SmallIntegerField()
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    # The sum of all chunks once it has succeeded.
    tally = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["-created_at"], name="simulation_newest")]

    def __str__(self) -> str:
        return f"{self.rounds:,} rounds of {self.game}"

    def get_absolute_url(self) -> str:
        return reverse("simulations:detail", args=[self.id])

    @property
    def game(self) -> Rules:
        return Rules.from_dict(self.rules)

    @property
    def plan(self) -> Plan:
        return Plan(rounds=self.rounds, chunk_size=self.chunk_size)

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

    @property
    def is_over(self) -> bool:
        return self.state in self.OVER

    def job_id(self, index: int) -> str:
        """The id of the job of chunk `index`; needs no column, so it cannot get lost."""
        return str(uuid5(self.id, f"chunk {index}"))

    @property
    def finish_job_id(self) -> str:
        return str(uuid5(self.id, "finish"))


class Chunk(models.Model):
    """The counts of one chunk; written once, by whichever attempt comes first."""

    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, related_name="chunks")
    index = models.IntegerField()
    rounds = models.BigIntegerField()
    payoff_sum = models.BigIntegerField(help_text="net payoff of all rounds, in half bets")
    payoff_squares = models.BigIntegerField(help_text="sum of squared payoffs, in half bets")
    tally = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["simulation", "index"], name="chunk_counted_once")
        ]

    def __str__(self) -> str:
        return f"chunk {self.index} of {self.simulation_id}"

    @classmethod
    def of(cls, simulation_id: UUID, *, index: int, tally: Tally) -> Self:
        return cls(
            simulation_id=simulation_id,
            index=index,
            rounds=tally.rounds,
            payoff_sum=tally.payoff_sum,
            payoff_squares=tally.payoff_squares,
            tally=tally.to_dict(),
        )
