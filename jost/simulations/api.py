"""The simulations over REST: list, start, read, cancel."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from . import lifecycle
from .engine import Rules
from .models import Simulation
from .serializers import SimulationDetailSerializer, SimulationSerializer, StartSerializer


@extend_schema_view(
    list=extend_schema(summary="List simulations, newest first"),
    retrieve=extend_schema(summary="Read a simulation with its progress"),
)
class SimulationViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Simulation]
):
    queryset = Simulation.objects.all()
    # JSON only: a form on somebody else's site cannot send it without asking first.
    parser_classes = [JSONParser]

    def get_serializer_class(self) -> type[SimulationSerializer]:
        return SimulationSerializer if self.action == "list" else SimulationDetailSerializer

    @extend_schema(
        summary="Start a simulation",
        request=StartSerializer,
        responses={201: SimulationDetailSerializer},
    )
    def create(self, request: Request) -> Response:
        asked = StartSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        simulation = lifecycle.start(
            Rules.from_dict(values.get("rules", {})), rounds=values["rounds"], seed=values["seed"]
        )
        answer = self.get_serializer(simulation).data
        return Response(answer, status.HTTP_201_CREATED, headers={"Location": answer["url"]})

    @extend_schema(
        summary="Cancel a simulation and its outstanding jobs",
        request=None,
        responses={
            200: SimulationDetailSerializer,
            409: OpenApiResponse(description="It had ended already."),
        },
    )
    @action(detail=True, methods=["post"])
    def cancel(self, _request: Request, **_: Any) -> Response:
        simulation = self.get_object()
        if not lifecycle.cancel(simulation):
            message = "This simulation had ended already: there was nothing to cancel."
            return Response({"detail": message}, status.HTTP_409_CONFLICT)
        simulation.refresh_from_db()
        return Response(self.get_serializer(simulation).data)
