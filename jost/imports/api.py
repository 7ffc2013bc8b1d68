"""Imports over REST: upload, follow, cancel, go on, and what became of the rows."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from jost.api.files import FILE
from jost.api.owners import owner_of, visible_to
from jost.api.strict import ErrorSerializer

from . import report, services
from .models import Import
from .serializers import (
    ContactSerializer,
    ImportSerializer,
    RowErrorSerializer,
    UploadSerializer,
)

CONFLICT = OpenApiResponse(ErrorSerializer, "Not in this state.")


@extend_schema_view(
    list=extend_schema(summary="List one's own imports, the newest first"),
    retrieve=extend_schema(summary="Read an import: how far it is"),
)
class ImportViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Import]
):
    queryset = Import.objects.all()
    serializer_class = ImportSerializer
    filterset_fields = ["state"]
    order_fields = ("id", "state", "name", "size", "created_at", "ended_at")
    parser_classes = [MultiPartParser]
    throttle_scopes: ClassVar = {"create": "uploads"}

    def get_queryset(self) -> QuerySet[Import]:
        return visible_to(self.request.user, Import.objects.all())

    @extend_schema(
        summary="Upload a file; the job that imports it is recorded with it",
        request={"multipart/form-data": UploadSerializer},
        responses={201: ImportSerializer},
    )
    def create(self, request: Request) -> Response:
        asked = UploadSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            source = services.begin(asked.validated_data["file"], owner=owner_of(request))
        except services.UploadError as reason:
            raise ValidationError({"file": [str(reason)]}) from None
        answer = self.get_serializer(source).data
        return Response(answer, status.HTTP_201_CREATED, headers={"Location": answer["url"]})

    @extend_schema(
        summary="Stop it; rows that are imported stay",
        request=None,
        responses={200: ImportSerializer, 409: CONFLICT},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, _request: Request, **_: Any) -> Response:
        source = self.get_object()
        if not services.cancel(source.pk):
            return self._conflict("It has ended already.")
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        summary="Take up one that was cancelled or has failed, where it was",
        request=None,
        responses={202: ImportSerializer, 409: CONFLICT},
    )
    @action(detail=True, methods=["post"], url_path="go-on")
    def go_on(self, _request: Request, **_: Any) -> Response:
        source = self.get_object()
        try:
            if not services.go_on(source.pk):
                return self._conflict("It is under way, or done.")
        except services.CannotGoOnError as reason:
            return self._conflict(str(reason))
        return Response(self.get_serializer(self.get_object()).data, status.HTTP_202_ACCEPTED)

    @extend_schema(summary="List what rows became", responses=ContactSerializer(many=True))
    @action(detail=True, filter_backends=[])
    def contacts(self, _request: Request, **_: Any) -> Response:
        return self._page(self.get_object().contacts.all(), ContactSerializer)

    @extend_schema(summary="List rows that were refused", responses=RowErrorSerializer(many=True))
    @action(detail=True, filter_backends=[])
    def errors(self, _request: Request, **_: Any) -> Response:
        return self._page(self.get_object().errors.all(), RowErrorSerializer)

    @extend_schema(
        summary="Get these rows as a CSV file",
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    @action(detail=True, url_path="error-report", **FILE)
    def errors_file(self, request: Request, **_: Any) -> HttpResponseBase:
        return report.answer(request._request, self.get_object())  # noqa: SLF001  # DRF has no other name for it

    def _page(self, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]) -> Response:
        return self.get_paginated_response(serializer(self.paginate_queryset(rows), many=True).data)

    def _conflict(self, reason: str) -> Response:
        return Response({"detail": reason}, status.HTTP_409_CONFLICT)
