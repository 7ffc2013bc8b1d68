"""Studies over REST: setups side by side, or one key of the rules file at several values."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jost.api.owners import owner_of, visible_to
from jost.api.refusals import CONFLICT, ConflictError
from jost.api.strict import StrictSerializer
from jost.simulations import lifecycle, studies
from jost.simulations.engine import RulesError
from jost.simulations.models import Simulation, Study
from jost.simulations.progress import Summary, summaries_of
from jost.simulations.studies import MOST_SIMULATIONS

from .fields import NameField, RoundsField, RulesFileField, SeedField, TargetField, usual_rules
from .reading import difference_told
from .refusals import PathView
from .responses import EstimateSerializer, IntervalField, SimulationSerializer, estimate_told


class RunsSerializer(StrictSerializer):
    """What all simulations of a study have in common."""

    rounds = RoundsField()
    seed = SeedField()
    target = TargetField()
    name = NameField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Soft 17",
            {
                "rounds": 10000000,
                "setups": [{"dealer_hits_soft_17": False}, {"dealer_hits_soft_17": True}],
                "names": ["stands", "hits"],
            },
            request_only=True,
        )
    ]
)
class CompareSerializer(RunsSerializer):
    """Setups to be looked at side by side; the first is what the others are compared with."""

    setups = serializers.ListField(
        child=RulesFileField(), min_length=2, max_length=MOST_SIMULATIONS
    )
    names = serializers.ListField(
        child=serializers.CharField(max_length=200), default=list, help_text="One for each setup."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["names"] and len(attrs["names"]) != len(attrs["setups"]):
            raise serializers.ValidationError(
                {"names": ["Give one name for each of the setups, or leave names out."]}
            )
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Penetration",
            {"rounds": 10000000, "key": "dealing.penetration", "values": [0.5, 0.75, 0.9]},
            request_only=True,
        )
    ]
)
class SweepSerializer(RunsSerializer):
    """One key of a rules file, such as decks or dealing.penetration, at several values."""

    rules = RulesFileField(default=usual_rules)
    key = serializers.CharField(max_length=100)
    values = serializers.ListField(
        child=serializers.JSONField(allow_null=True), min_length=2, max_length=MOST_SIMULATIONS
    )


class DifferenceSerializer(serializers.Serializer[dict[str, Any]]):
    """How much more a simulation is worth than the first of its study."""

    simulation = serializers.UUIDField()
    against = serializers.UUIDField()
    ev = serializers.FloatField()
    ev_95 = IntervalField()


class EntrySerializer(SimulationSerializer):
    """A simulation of a study with its estimate so far."""

    rounds_done = serializers.SerializerMethodField()
    estimate = serializers.SerializerMethodField()

    class Meta(SimulationSerializer.Meta):
        fields = [*SimulationSerializer.Meta.fields, "rounds_done", "estimate"]
        read_only_fields = fields

    def get_rounds_done(self, simulation: Simulation) -> int:
        return self._summary(simulation).rounds_done

    @extend_schema_field(EstimateSerializer)
    def get_estimate(self, simulation: Simulation) -> dict[str, Any]:
        return estimate_told(self._summary(simulation).estimate)

    def _summary(self, simulation: Simulation) -> Summary:
        summary: Summary = self.context["summaries"][simulation.pk]
        return summary


class StudySerializer(serializers.ModelSerializer[Study]):
    """One line of the list."""

    url = serializers.HyperlinkedIdentityField(view_name="simulations-api:study-detail")
    page = serializers.CharField(source="get_absolute_url", help_text="Where people look at it.")

    class Meta:
        model = Study
        fields = [
            "id",
            "url",
            "page",
            "kind",
            "name",
            "key",
            "values",
            "rounds",
            "seed",
            "created_at",
        ]
        read_only_fields = fields


class StudyDetailSerializer(StudySerializer):
    """A study with its simulations in order, and each against the first."""

    simulations = serializers.SerializerMethodField()
    differences = serializers.SerializerMethodField()

    class Meta(StudySerializer.Meta):
        fields = [*StudySerializer.Meta.fields, "simulations", "differences"]
        read_only_fields = fields

    @extend_schema_field(EntrySerializer(many=True))
    def get_simulations(self, _study: Study) -> list[dict[str, Any]]:
        context = {**self.context, "summaries": self._summaries}
        entries = [summary.simulation for summary in self._summaries.values()]
        return list(EntrySerializer(entries, many=True, context=context).data)

    @extend_schema_field(DifferenceSerializer(many=True))
    def get_differences(self, _study: Study) -> list[dict[str, Any]]:
        entries = list(self._summaries.values())
        told = (difference_told(other, against=entries[0]) for other in entries[1:])
        return [difference for difference in told if difference is not None]

    def to_representation(self, instance: Study) -> dict[str, Any]:
        # Asked for once: all parts of an answer show the same moment.
        entries = summaries_of(list(instance.in_order.defer(*Simulation.HEAVY)))
        self._summaries = {entry.simulation.pk: entry for entry in entries}
        return super().to_representation(instance)


@extend_schema_view(
    list=extend_schema(
        summary="List studies, newest first",
        responses={200: StudySerializer(many=True)},
    ),
    retrieve=extend_schema(
        summary="Read a study with its estimates, and each against the first",
        responses={200: StudyDetailSerializer},
    ),
)
class StudyViewSet(
    PathView, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Study]
):
    queryset = Study.objects.all()
    filterset_fields = ("kind",)
    order_fields = ("created_at", "name", "kind", "rounds")
    lookup_value_converter = "uuid"
    throttle_scopes: ClassVar = {"compare": "simulations", "sweep": "simulations"}

    def get_queryset(self) -> QuerySet[Study]:
        return visible_to(self.request.user, Study.objects.all())

    def get_serializer_class(self) -> type[StudySerializer]:
        return StudySerializer if self.action == "list" else StudyDetailSerializer

    @extend_schema(
        summary="Compare setups: a simulation of each, begun together",
        request=CompareSerializer,
        responses={201: StudyDetailSerializer},
    )
    @action(detail=False, methods=["post"])
    def compare(self, request: Request) -> Response:
        asked = CompareSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = dict(asked.validated_data)
        return self._begun(studies.compare(values.pop("setups"), owner=owner_of(request), **values))

    @extend_schema(
        summary="Sweep one key of a rules file: a simulation at each value, begun together",
        request=SweepSerializer,
        responses={201: StudyDetailSerializer},
    )
    @action(detail=False, methods=["post"])
    def sweep(self, request: Request) -> Response:
        asked = SweepSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = dict(asked.validated_data)
        setup = values.pop("rules")
        try:
            study = studies.sweep(setup, owner=owner_of(request), **values)
        except RulesError as error:
            wrong = "values" if studies.has_key(setup, key=values["key"]) else "key"
            raise ValidationError({wrong: [str(error)]}) from None
        return self._begun(study)

    @extend_schema(
        summary="Cancel all simulations of a study that have not ended",
        request=None,
        responses={200: StudyDetailSerializer, 409: CONFLICT},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, _request: Request, **_: Any) -> Response:
        study = self.get_object()
        ended = [lifecycle.cancel(simulation) for simulation in study.in_order]
        if not any(ended):
            raise ConflictError(
                "All simulations of this study had ended: there is nothing to cancel."
            )
        return Response(self.get_serializer(study).data)

    def _begun(self, study: Study) -> Response:
        answer = self.get_serializer(study).data
        return Response(answer, status.HTTP_201_CREATED, headers={"Location": answer["url"]})
