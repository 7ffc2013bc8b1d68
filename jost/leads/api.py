"""Leads over REST: four lists, and one way to move a lead."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import BigIntegerField, ProtectedError, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, mixins, status, viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from jost.api.moments import MomentRangeFilter
from jost.api.pages import Pages
from jost.api.refusals import CONFLICT, ConflictError

from . import phones, services
from .models import Followup, FollowupRule, Lead, LeadEvent, Status
from .serializers import (
    FollowupRuleSerializer,
    FollowupSerializer,
    LeadEventSerializer,
    LeadSerializer,
    MoveSerializer,
)


class LeadPages(Pages):
    default_limit = 10
    max_limit = 100


class RowFilter(django_filters.Filter):
    """By the number of a row: a choice would list all rows wherever the filter is drawn."""

    field_class = forms.IntegerField

    def __init__(self, field_name: str) -> None:
        super().__init__(field_name, min_value=1, max_value=BigIntegerField.MAX_BIGINT)


class LeadFilter(django_filters.FilterSet):
    phone = django_filters.CharFilter(method="known_as", strip=False)
    status = django_filters.MultipleChoiceFilter(choices=Status.choices)
    status_since = MomentRangeFilter()
    created_at = MomentRangeFilter()

    class Meta:
        model = Lead
        fields: list[str] = []

    def known_as(self, leads: QuerySet[Lead], _name: str, written: str) -> QuerySet[Lead]:
        # In an address an unquoted plus means a space.
        number = f"+{written[1:]}" if written.startswith(" ") else written
        return leads.filter(phone=phones.known_as(number))


class EventFilter(django_filters.FilterSet):
    lead = RowFilter("lead_id")
    status = django_filters.MultipleChoiceFilter(choices=Status.choices)
    created_at = MomentRangeFilter()

    class Meta:
        model = LeadEvent
        fields: list[str] = []


class FollowupFilter(django_filters.FilterSet):
    lead = RowFilter("lead_id")
    rule = RowFilter("rule_id")
    state = django_filters.MultipleChoiceFilter(choices=Followup.State.choices)
    created_at = MomentRangeFilter()

    class Meta:
        model = Followup
        fields: list[str] = []


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
    queryset = Lead.objects.order_by("-status_since", "-pk")
    serializer_class = LeadSerializer
    filterset_class = LeadFilter
    pagination_class = LeadPages
    order_fields = ("updated_at", "id", "phone", "status", "status_since", "created_at")
    order_columns = {"updated_at": "status_since"}
    order_dir = "desc"

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
    queryset = LeadEvent.objects.select_related("lead").order_by("-created_at", "-pk")
    serializer_class = LeadEventSerializer
    filterset_class = EventFilter
    pagination_class = LeadPages
    order_fields = ("created_at", "id", "lead", "status")
    order_dir = "desc"


@extend_schema_view(
    list=extend_schema(summary="List the messages to leads"),
    retrieve=extend_schema(summary="Read a message"),
)
class FollowupViewSet(viewsets.ReadOnlyModelViewSet[Followup]):
    queryset = Followup.objects.select_related("rule").order_by("-created_at", "-pk")
    serializer_class = FollowupSerializer
    filterset_class = FollowupFilter
    pagination_class = LeadPages
    order_fields = ("created_at", "id", "lead", "rule", "state", "sent_at")
    order_columns = {"rule": "rule_id"}
    order_dir = "desc"


@extend_schema_view(
    list=extend_schema(summary="List the rules of messages"),
    create=extend_schema(summary="Add a rule"),
    retrieve=extend_schema(summary="Read a rule"),
    update=extend_schema(summary="Replace a rule"),
    partial_update=extend_schema(summary="Change a rule"),
    destroy=extend_schema(
        summary="Delete a rule that has written to nobody", responses={204: None, 409: CONFLICT}
    ),
)
class FollowupRuleViewSet(viewsets.ModelViewSet[FollowupRule]):
    queryset = FollowupRule.objects.order_by("-status", "-pk")
    serializer_class = FollowupRuleSerializer
    filterset_fields = ["status", "enabled"]
    pagination_class = LeadPages
    order_fields = ("status", "id", "delay", "text", "enabled", "is_enabled")
    order_columns = {"is_enabled": "enabled"}
    order_dir = "desc"

    def perform_destroy(self, instance: FollowupRule) -> None:
        try:
            instance.delete()
        except ProtectedError:
            raise ConflictError(
                "This rule has written to leads, which stays on record: switch it off instead."
            ) from None


class LeadEventCreateView(generics.GenericAPIView[LeadEvent]):
    serializer_class = MoveSerializer
    queryset: QuerySet[LeadEvent] = LeadEvent.objects.none()
    filter_backends = []

    @extend_schema(
        summary="Record that a lead is in a status, and move it there, in one transaction",
        responses={201: LeadEventSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        try:
            event = services.report(values["lead"].pk, status=values["status"])
        except Lead.DoesNotExist:
            # Deleted since it was looked up.
            raise ValidationError({"lead": [f"There is no lead {values['lead'].pk}."]}) from None
        return Response(LeadEventSerializer(event).data, status.HTTP_201_CREATED)
