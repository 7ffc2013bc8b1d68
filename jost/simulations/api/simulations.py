"""Simulations over REST: list, start, read, move, and ask what other bets would have made of one."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse
from django_filters.rest_framework import FilterSet, ModelChoiceFilter
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jost.api.files import FILE
from jost.api.owners import owner_of, visible_to
from jost.api.refusals import CONFLICT, ConflictError
from jost.simulations import lifecycle
from jost.simulations.charts import chart_to_csv
from jost.simulations.exports import counts_csv, to_json
from jost.simulations.models import Simulation, Study

from .documents import ANSWER, CHART, EXACT_BESIDE
from .reading import answer_of, exact_beside, what_if
from .refusals import PathView
from .requests import ExtendSerializer, StartSerializer, WhatIfSerializer
from .responses import SimulationDetailSerializer, SimulationSerializer

_CSV = {(200, "text/csv"): OpenApiTypes.STR}


def _move(summary: str) -> Callable[..., Any]:
    """Describe a move: the simulation after it, or why its state does not allow it."""
    return extend_schema(
        summary=summary,
        request=None,
        responses={200: SimulationDetailSerializer, 409: CONFLICT},
    )


def _studies(request: Request | None) -> QuerySet[Study]:
    return visible_to(request.user, Study.objects.all()) if request else Study.objects.none()


class SimulationFilter(FilterSet):
    # Somebody else's is no choice, like one that there is not.
    study = ModelChoiceFilter(queryset=_studies)  # type: ignore[arg-type]  # the stubs know no function

    class Meta:
        model = Simulation
        fields = ("state",)


@extend_schema_view(
    list=extend_schema(
        summary="List simulations, newest first",
        responses={200: SimulationSerializer(many=True)},
    ),
    retrieve=extend_schema(
        summary="Read a simulation with its progress, and its answer once it has succeeded",
        responses={200: SimulationDetailSerializer},
    ),
)
class SimulationViewSet(
    PathView,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Simulation],
):
    queryset = Simulation.objects.all()
    filterset_class = SimulationFilter
    order_fields = ("created_at", "name", "state", "rounds", "finished_at")
    lookup_value_converter = "uuid"
    throttle_scopes: ClassVar = {
        "create": "simulations",
        "resume": "simulations",
        "extend": "simulations",
        "exact": "heavy",
    }

    def get_serializer_class(self) -> type[SimulationSerializer]:
        return SimulationSerializer if self.action == "list" else SimulationDetailSerializer

    def get_queryset(self) -> QuerySet[Simulation]:
        queryset = visible_to(self.request.user, Simulation.objects.all())
        return queryset.defer(*Simulation.HEAVY) if self.action == "list" else queryset

    @extend_schema(
        summary="Start a simulation",
        request=StartSerializer,
        responses={201: SimulationDetailSerializer},
    )
    def create(self, request: Request) -> Response:
        asked = StartSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = dict(asked.validated_data)
        simulation = lifecycle.start(values.pop("rules"), owner=owner_of(request), **values)
        answer = self.get_serializer(simulation).data
        return Response(answer, status.HTTP_201_CREATED, headers={"Location": answer["url"]})

    @_move("Pause a simulation: what runs is counted to its end, what waits is taken back")
    @action(detail=True, methods=["post"])
    def pause(self, _request: Request, **_: Any) -> Response:
        return self._moved(lifecycle.pause, only="queued or running ones can be paused")

    @_move("Go on with a simulation that was paused or failed")
    @action(detail=True, methods=["post"])
    def resume(self, _request: Request, **_: Any) -> Response:
        return self._moved(lifecycle.resume, only="paused or failed ones can be resumed")

    @_move("Cancel a simulation and its outstanding jobs for good")
    @action(detail=True, methods=["post"])
    def cancel(self, _request: Request, **_: Any) -> Response:
        return self._moved(lifecycle.cancel, only="those that have not ended can be cancelled")

    @extend_schema(
        summary="Extend a simulation: the same random streams go on",
        request=ExtendSerializer,
        responses={200: SimulationDetailSerializer, 409: CONFLICT},
    )
    @action(detail=True, methods=["post"])
    def extend(self, request: Request, **_: Any) -> Response:
        simulation = self.get_object()
        asked = ExtendSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        field = "more" if "more" in values else "rounds"
        rounds = values.get("rounds") or simulation.rounds + values["more"]
        try:
            extended = lifecycle.extend(simulation, rounds=rounds)
        except ValueError as error:
            raise ValidationError({field: [str(error)]}) from None
        return self._told(
            simulation,
            moved=extended,
            only="those that did not fail and were not cancelled can be extended",
        )

    @extend_schema(
        summary="Ask what other bets would have made of what is counted, without running again",
        request=WhatIfSerializer,
        responses={200: ANSWER, 409: CONFLICT},
    )
    @action(detail=True, methods=["post"])
    def whatif(self, request: Request, **_: Any) -> Response:
        simulation = self.get_object()
        asked = WhatIfSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(what_if(simulation, asked.validated_data))

    @extend_schema(
        summary="Set the exact value beside the estimate",
        description="Of the same rules and chart; for a cut card, of the same game with a fresh shoe every "
        "round, and says so. Takes some seconds.",
        responses={200: EXACT_BESIDE, 409: CONFLICT},
    )
    @action(detail=True)
    def exact(self, _request: Request, **_: Any) -> Response:
        return Response(exact_beside(self.get_object()))

    @extend_schema(
        summary="Read the strategy that a simulation plays",
        responses={200: CHART},
    )
    @action(detail=True)
    def chart(self, _request: Request, **_: Any) -> Response:
        return Response(self.get_object().setup.game.chart.to_dict())

    @extend_schema(
        summary="Export the strategy as a CSV file, which can be given back",
        responses=_CSV,
    )
    @action(detail=True, url_path="export/chart", **FILE)
    def export_chart(self, _request: Request, **_: Any) -> HttpResponse:
        simulation = self.get_object()
        return _file(
            chart_to_csv(simulation.setup.game.chart), name=f"{simulation.pk}-strategy.csv"
        )

    @extend_schema(
        summary="Export the results by true count as a CSV file", responses=_CSV | {409: CONFLICT}
    )
    @action(detail=True, url_path="export/csv", **FILE)
    def export_csv(self, _request: Request, **_: Any) -> HttpResponse:
        simulation = self.get_object()
        return _file(counts_csv(answer_of(simulation)), name=f"{simulation.pk}.csv")

    @extend_schema(
        summary="Export the answer: the object that `manage.py simulate --json` prints",
        responses={200: ANSWER, 409: CONFLICT},
    )
    @action(detail=True, url_path="export/json", **FILE)
    def export_json(self, _request: Request, **_: Any) -> HttpResponse:
        simulation = self.get_object()
        return _file(to_json(answer_of(simulation)), name=f"{simulation.pk}.json")

    def _moved(self, move: Callable[[Simulation], bool], *, only: str) -> Response:
        simulation = self.get_object()
        return self._told(simulation, moved=move(simulation), only=only)

    def _told(self, simulation: Simulation, *, moved: bool, only: str) -> Response:
        if not moved:
            state = Simulation.State(simulation.state)
            raise ConflictError(f"This simulation is {state.label.lower()}: only {only}.")
        return Response(self.get_serializer(simulation).data)


def _file(text: str, *, name: str) -> HttpResponse:
    kind = "application/json" if name.endswith(".json") else "text/csv"
    disposition = f'attachment; filename="{name}"'
    return HttpResponse(text, content_type=kind, headers={"Content-Disposition": disposition})
