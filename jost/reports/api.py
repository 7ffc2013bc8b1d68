"""Reports over REST: asked for, followed, taken away; and made while the caller waits."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from jost.api.files import FILE
from jost.api.owners import owner_of, visible_to
from jost.api.strict import ErrorSerializer

from . import figures, making
from .links import LinkExpiredError, file_by
from .models import Report, ReportFile
from .serializers import NowSerializer, PeriodSerializer, ReportSerializer
from .views import answer_with

# Their contents stay where they are until somebody takes them away.
FILES = Prefetch("files", ReportFile.objects.defer("content"))


@extend_schema_view(
    list=extend_schema(summary="List one's own reports, the newest first"),
    retrieve=extend_schema(summary="Read how far a report is, and the links to its files"),
)
class ReportViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Report]
):
    queryset = Report.objects.all()
    serializer_class = ReportSerializer
    filterset_fields = ["state"]
    order_fields = ("id", "state", "since", "until", "asked_at", "finished_at")
    throttle_scopes: ClassVar = {"now": "heavy"}

    def get_queryset(self) -> QuerySet[Report]:
        return visible_to(self.request.user, Report.objects.prefetch_related(FILES))

    @extend_schema(
        summary="Ask for a report; it is made by jobs",
        request=PeriodSerializer,
        responses={202: ReportSerializer},
    )
    def create(self, request: Request) -> Response:
        asked = PeriodSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        report = making.ask(asked.validated_data["period"], owner=owner_of(request))
        answer = self.get_serializer(report).data
        return Response(answer, status.HTTP_202_ACCEPTED, headers={"Location": answer["url"]})

    @extend_schema(
        summary="Make a report while the caller waits",
        request=PeriodSerializer,
        responses={200: NowSerializer},
    )
    @action(detail=False, methods=["post"])
    def now(self, request: Request) -> Response:
        asked = PeriodSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        lines = figures.all_lines(asked.validated_data["period"])
        return Response(NowSerializer({"lines": lines}).data)

    @extend_schema(
        summary="Take a file away, by its link",
        parameters=[OpenApiParameter("token", str, OpenApiParameter.PATH)],
        responses={
            (200, "text/csv"): OpenApiTypes.BINARY,
            (200, "application/pdf"): OpenApiTypes.BINARY,
            404: OpenApiResponse(ErrorSerializer, "No link, or not the caller's."),
            410: OpenApiResponse(ErrorSerializer, "The link is too old."),
        },
    )
    @action(detail=False, url_path=r"files/(?P<token>[^/]+)", **FILE)
    def file(self, request: Request, token: str) -> Response | HttpResponse:
        try:
            found = file_by(token, user=request.user)
        except LinkExpiredError as reason:
            return Response({"detail": str(reason)}, status.HTTP_410_GONE)
        except ReportFile.DoesNotExist:
            raise NotFound from None
        return answer_with(found)
