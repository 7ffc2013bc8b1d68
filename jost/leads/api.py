"""Leads over REST: four lists, and one way to move a lead."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, mixins, status, viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from . import services
from .models import Followup, FollowupRule, Lead, LeadEvent, Status
from .serializers import (
    FollowupRuleSerializer,
    FollowupSerializer,
    LeadEventSerializer,
    LeadSerializer,
    MoveSerializer,
)


class LeadFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Status.choices)
    status_since = django_filters.IsoDateTimeFromToRangeFilter()
    created_at = django_filters.IsoDateTimeFromToRangeFilter()

    class Meta:
        model = Lead
        fields = ["phone"]


class EventFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Status.choices)
    created_at = django_filters.IsoDateTimeFromToRangeFilter()

    class Meta:
        model = LeadEvent
        fields = ["lead"]


class FollowupFilter(django_filters.FilterSet):
    state = django_filters.MultipleChoiceFilter(choices=Followup.State.choices)
    created_at = django_filters.IsoDateTimeFromToRangeFilter()

    class Meta:
        model = Followup
        fields = ["lead", "rule"]


@extend_schema_view(
    list=extend_schema(summary="List leads"),
    create=extend_schema(summary="Add a lead; it is new"),
    retrieve=extend_schema(summary="Read a lead"),
)
class LeadViewSet(
    mixins.CreateModelMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Lead],
):
    queryset = Lead.objects.all()
    serializer_class = LeadSerializer
    filterset_class = LeadFilter
    order_fields = ("id", "phone", "status", "status_since", "created_at")

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        try:
            serializer.instance = services.add_lead(serializer.validated_data["phone"])
        except services.PhoneTakenError as reason:
            raise ValidationError({"phone": [str(reason)]}) from None


@extend_schema_view(
    list=extend_schema(summary="List what became of leads"),
    retrieve=extend_schema(summary="Read an event"),
)
class LeadEventViewSet(viewsets.ReadOnlyModelViewSet[LeadEvent]):
    queryset = LeadEvent.objects.all()
    serializer_class = LeadEventSerializer
    filterset_class = EventFilter
    order_fields = ("id", "lead", "status", "created_at")


@extend_schema_view(
    list=extend_schema(summary="List the messages to leads"),
    retrieve=extend_schema(summary="Read a message"),
)
class FollowupViewSet(viewsets.ReadOnlyModelViewSet[Followup]):
    queryset = Followup.objects.all()
    serializer_class = FollowupSerializer
    filterset_class = FollowupFilter
    order_fields = ("id", "lead", "rule", "state", "created_at", "sent_at")


@extend_schema_view(
    list=extend_schema(summary="List the rules of messages"),
    create=extend_schema(summary="Add a rule"),
    retrieve=extend_schema(summary="Read a rule"),
    update=extend_schema(summary="Replace a rule"),
    partial_update=extend_schema(summary="Change a rule"),
    destroy=extend_schema(summary="Delete a rule and the record of its messages"),
)
class FollowupRuleViewSet(viewsets.ModelViewSet[FollowupRule]):
    queryset = FollowupRule.objects.all()
    serializer_class = FollowupRuleSerializer
    filterset_fields = ["status", "enabled"]
    order_fields = ("id", "status", "delay", "enabled")


class LeadEventCreateView(generics.GenericAPIView[LeadEvent]):
    serializer_class = MoveSerializer
    queryset: QuerySet[LeadEvent] = LeadEvent.objects.none()
    filter_backends = []

    @extend_schema(
        summary="Move a lead into a status, and record that, in one transaction",
        responses={201: LeadEventSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        try:
            event = services.move(values["lead"].pk, status=values["status"])
        except services.SameStatusError as reason:
            raise ValidationError({"status": [str(reason)]}) from None
        return Response(LeadEventSerializer(event).data, status.HTTP_201_CREATED)
