"""How leads look in REST, and what may be said of them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.validators import UniqueTogetherValidator

from jost.api.strict import StrictMixin, StrictSerializer

from .models import Followup, FollowupRule, Lead, LeadEvent, Status


class LeadSerializer(StrictMixin, serializers.ModelSerializer[Lead]):
    class Meta:
        model = Lead
        fields = ["id", "phone", "status", "status_since", "created_at"]
        read_only_fields = ["status", "status_since", "created_at"]


class LeadEventSerializer(serializers.ModelSerializer[LeadEvent]):
    class Meta:
        model = LeadEvent
        fields = ["id", "lead", "status", "created_at", "told_crm_at"]
        read_only_fields = fields


class FollowupSerializer(serializers.ModelSerializer[Followup]):
    class Meta:
        model = Followup
        fields = ["id", "lead", "rule", "stay", "state", "created_at", "sent_at"]
        read_only_fields = fields


class FollowupRuleSerializer(StrictMixin, serializers.ModelSerializer[FollowupRule]):
    class Meta:
        model = FollowupRule
        fields = ["id", "status", "delay", "text", "enabled"]
        validators = [
            UniqueTogetherValidator(
                queryset=FollowupRule.objects.all(),
                fields=["status", "delay"],
                message="There is a rule for this status and delay already.",
            )
        ]


class MoveSerializer(StrictSerializer):
    """A lead, and the status that it comes into."""

    lead = serializers.PrimaryKeyRelatedField[Lead](queryset=Lead.objects.all())
    status = serializers.ChoiceField(choices=Status.choices)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return attrs | {"status": Status(attrs["status"])}
