"""How leads look in REST, and what may be said of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.validators import UniqueTogetherValidator, UniqueValidator

from jost.api.strict import StrictMixin, StrictSerializer

from . import phones
from .models import Followup, FollowupRule, Lead, LeadEvent, Status
from .phones import PhoneField


class OlderNames:
    """Takes a field by an older name, too; by both at once only if they agree."""

    older_names: Mapping[str, str]

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            data = data.copy()
            for older, name in self.older_names.items():
                if older not in data:
                    continue
                if name in data and data[name] != data[older]:
                    message = f"This is another name of {name!r}, which says something else."
                    raise serializers.ValidationError({older: [message]})
                data[name] = data[older]
                del data[older]
        return super().to_internal_value(data)  # type: ignore[misc]


@extend_schema_serializer(
    examples=[OpenApiExample("A number", {"phone": "+4930654321"}, request_only=True)]
)
class LeadSerializer(StrictMixin, serializers.ModelSerializer[Lead]):
    """Somebody who may become a customer, known by a phone number."""

    phone = PhoneField(
        validators=[
            phones.check,
            UniqueValidator(
                Lead.objects.all(), message="There is a lead with this number already."
            ),
        ],
        help_text="What divides the digits is dropped: +49 (0)30 123-456 is +4930123456.",
    )
    updated_at = serializers.DateTimeField(
        source="status_since", read_only=True, help_text="The same as status_since."
    )

    class Meta:
        model = Lead
        fields = ["id", "phone", "status", "status_since", "updated_at", "created_at"]
        read_only_fields = ["status", "status_since", "created_at"]


class LeadEventSerializer(serializers.ModelSerializer[LeadEvent]):
    """A lead came into a status, or was reported in the one it had."""

    lead = LeadSerializer(read_only=True)

    class Meta:
        model = LeadEvent
        fields = ["id", "lead", "status", "created_at", "told_crm_at"]
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "After an hour",
            {
                "status": "new",
                "delay": 60,
                "text": "Still there? Your table waits.",
                "enabled": True,
            },
            request_only=True,
        )
    ]
)
class FollowupRuleSerializer(OlderNames, StrictMixin, serializers.ModelSerializer[FollowupRule]):
    """Who stays in a status for longer than so many minutes gets the text."""

    is_enabled = serializers.BooleanField(
        source="enabled", read_only=True, help_text="The same as enabled, and taken for it."
    )
    older_names = {"is_enabled": "enabled"}

    class Meta:
        model = FollowupRule
        fields = ["id", "status", "delay", "text", "enabled", "is_enabled"]
        validators = [
            UniqueTogetherValidator(
                queryset=FollowupRule.objects.all(),
                fields=["status", "delay"],
                message="There is a rule for this status and delay already.",
            )
        ]


class FollowupSerializer(serializers.ModelSerializer[Followup]):
    """A message of a rule to a lead, for one stay in a status."""

    rule = FollowupRuleSerializer(read_only=True)

    class Meta:
        model = Followup
        fields = ["id", "lead", "rule", "stay", "state", "created_at", "sent_at"]
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample("A lead that has paid", {"lead": 1, "status": "paid"}, request_only=True)
    ]
)
class MoveSerializer(OlderNames, StrictSerializer):
    """A lead, which `lead_id` names as well, and the status that it is in."""

    lead = serializers.PrimaryKeyRelatedField[Lead](queryset=Lead.objects.all())
    status = serializers.ChoiceField(choices=Status.choices)
    older_names = {"lead_id": "lead"}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return attrs | {"status": Status(attrs["status"])}
