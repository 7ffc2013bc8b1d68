"""How a simulation looks in REST, and what may start one."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from .engine import MAX_ROUNDS, MAX_SEED, MIN_ROUNDS, Rules, RulesError
from .engine.rules import (
    MAX_DECKS,
    MAX_HANDS,
    MAX_PENETRATION,
    MIN_DECKS,
    MIN_HANDS,
    MIN_PENETRATION,
)
from .models import Simulation
from .progress import estimate_of, progress_of


class StrictSerializer(serializers.Serializer[dict[str, Any]]):
    """Refuses a field it does not know: a misspelt rule would silently be another game."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict):
            for name in data:
                if name not in self.fields:
                    message = f"There is no {name!r} here; there is {', '.join(self.fields)}."
                    raise serializers.ValidationError({str(name): [message]})
        values: dict[str, Any] = super().to_internal_value(data)
        return values


class RulesSerializer(StrictSerializer):
    """The rules of the game; what is left out has its default."""

    decks = serializers.IntegerField(min_value=MIN_DECKS, max_value=MAX_DECKS, default=6)
    hit_soft_17 = serializers.BooleanField(default=False)
    double_after_split = serializers.BooleanField(default=True)
    late_surrender = serializers.BooleanField(default=False)
    penetration = serializers.FloatField(
        min_value=MIN_PENETRATION, max_value=MAX_PENETRATION, default=0.75
    )
    max_hands = serializers.IntegerField(min_value=MIN_HANDS, max_value=MAX_HANDS, default=4)
    rounds_per_shoe = serializers.IntegerField(
        min_value=1,
        default=None,
        allow_null=True,
        help_text="Shuffle after so many rounds instead of at a cut card.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            return Rules.from_dict(attrs).to_dict()
        except RulesError as reason:
            raise serializers.ValidationError({reason.field: [str(reason)]}) from None


class StartSerializer(StrictSerializer):
    """A request to simulate; the answer depends on nothing but what stands here."""

    rules = RulesSerializer(required=False)
    rounds = serializers.IntegerField(min_value=MIN_ROUNDS, max_value=MAX_ROUNDS)
    seed = serializers.IntegerField(
        min_value=0,
        max_value=MAX_SEED,
        default=None,
        allow_null=True,
        help_text="Left out: a new one, which the answer names.",
    )


class EstimateSerializer(serializers.Serializer[dict[str, Any]]):
    """In units of the bet, per round; null before there are two rounds."""

    ev = serializers.FloatField(allow_null=True)
    ev_standard_error = serializers.FloatField(allow_null=True)
    ev_95 = serializers.ListField(
        child=serializers.FloatField(), min_length=2, max_length=2, allow_null=True
    )
    sd = serializers.FloatField(allow_null=True)


class ProgressSerializer(EstimateSerializer):
    rounds_done = serializers.IntegerField()
    chunks = serializers.IntegerField()
    chunks_done = serializers.IntegerField()
    rounds_per_second = serializers.FloatField(allow_null=True)
    frequencies = serializers.DictField(child=serializers.FloatField())


class SimulationSerializer(serializers.ModelSerializer[Simulation]):
    rules = RulesSerializer(read_only=True)
    url = serializers.HyperlinkedIdentityField(view_name="simulations-api:simulation-detail")

    class Meta:
        model = Simulation
        fields = [
            "id",
            "url",
            "state",
            "rules",
            "rounds",
            "seed",
            "chunk_size",
            "reason",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class SimulationDetailSerializer(SimulationSerializer):
    progress = serializers.SerializerMethodField()

    class Meta(SimulationSerializer.Meta):
        fields = [*SimulationSerializer.Meta.fields, "progress"]
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, simulation: Simulation) -> dict[str, Any]:
        progress = progress_of(simulation)
        return {
            **estimate_of(progress.tally),
            "rounds_done": progress.tally.rounds,
            "chunks": progress.chunks,
            "chunks_done": progress.chunks_done,
            "rounds_per_second": progress.rounds_per_second,
            "frequencies": progress.tally.frequencies(),
        }
