"""How a simulation looks in REST."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jost.simulations.engine.tally import Estimate
from jost.simulations.models import Simulation
from jost.simulations.progress import Progress, progress_of

from .documents import ANSWER, RULES_FILE
from .reading import answer_of


class IntervalField(serializers.ListField):
    """The two ends of a 95 % interval."""

    def __init__(self) -> None:
        super().__init__(
            child=serializers.FloatField(), min_length=2, max_length=2, allow_null=True
        )


class PointSerializer(serializers.Serializer[dict[str, Any]]):
    """One point of the convergence plot: the estimate from the first so many rounds."""

    rounds = serializers.IntegerField()
    ev = serializers.FloatField()
    ev_95 = IntervalField()


class EstimateSerializer(serializers.Serializer[dict[str, Any]]):
    """Per round, in units of the bet; null before there are two rounds."""

    ev = serializers.FloatField(allow_null=True)
    ev_standard_error = serializers.FloatField(allow_null=True)
    ev_95 = IntervalField()
    sd = serializers.FloatField(allow_null=True)


class ProgressSerializer(EstimateSerializer):
    """What is counted so far."""

    rounds_done = serializers.IntegerField()
    fraction = serializers.FloatField(help_text="Of all rounds, from 0 to 1.")
    chunks = serializers.IntegerField()
    chunks_done = serializers.IntegerField()
    rounds_per_second = serializers.FloatField(allow_null=True)
    points = PointSerializer(many=True)


@extend_schema_field(RULES_FILE)
class StoredRulesField(serializers.JSONField):
    """A rules file in its normal form."""


@extend_schema_field(RULES_FILE)
class ShortRulesField(serializers.JSONField):
    """The same without the chart, which would be most of a list."""

    def to_representation(self, value: Any) -> Any:
        return {key: inner for key, inner in value.items() if key != "strategy"}


class SimulationSerializer(serializers.ModelSerializer[Simulation]):
    """One line of the list."""

    url = serializers.HyperlinkedIdentityField(view_name="simulations-api:simulation-detail")
    page = serializers.CharField(source="get_absolute_url", help_text="Where people look at it.")
    rules: serializers.JSONField = ShortRulesField(help_text="Without the strategy.")

    class Meta:
        model = Simulation
        fields = [
            "id",
            "url",
            "page",
            "name",
            "state",
            "reason",
            "rounds",
            "seed",
            "target",
            "engine_version",
            "study",
            "created_at",
            "started_at",
            "finished_at",
            "rules",
        ]
        read_only_fields = fields


class SimulationDetailSerializer(SimulationSerializer):
    """A simulation with what is counted, and its answer once it has succeeded."""

    rules: serializers.JSONField = StoredRulesField(
        help_text="In normal form, the whole chart included."
    )
    progress = serializers.SerializerMethodField()
    answer = serializers.SerializerMethodField()

    class Meta(SimulationSerializer.Meta):
        fields = [*SimulationSerializer.Meta.fields, "progress", "answer"]
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, simulation: Simulation) -> dict[str, Any]:
        return _told(progress_of(simulation))

    @extend_schema_field({"oneOf": [ANSWER, {"type": "null"}]})
    def get_answer(self, simulation: Simulation) -> dict[str, Any] | None:
        if simulation.state != Simulation.State.SUCCEEDED:
            return None
        return answer_of(simulation)


def estimate_told(estimate: Estimate | None) -> dict[str, Any]:
    """By name, null for what cannot be said yet."""
    if estimate is None:
        return dict.fromkeys(("ev", "ev_standard_error", "ev_95", "sd"))
    return {
        "ev": estimate.ev,
        "ev_standard_error": estimate.standard_error,
        "ev_95": list(estimate.interval),
        "sd": estimate.sd,
    }


def _told(progress: Progress) -> dict[str, Any]:
    return {
        **estimate_told(progress.estimate),
        "rounds_done": progress.rounds_done,
        "fraction": progress.fraction,
        "chunks": progress.chunks,
        "chunks_done": progress.chunks_done,
        "rounds_per_second": progress.rounds_per_second,
        "points": [
            {"rounds": rounds, "ev": ev, "ev_95": [low, high]}
            for rounds, ev, low, high in progress.points
        ],
    }
