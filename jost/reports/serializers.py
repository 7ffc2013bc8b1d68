"""How reports look in REST, and what asks for one."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.reverse import reverse

from jost.api.strict import StrictSerializer

from .links import LINK_LASTS, link_token
from .models import Report, ReportLine
from .periods import PeriodError, period


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A quarter", {"since": "2026-01-01", "until": "2026-03-31"}, request_only=True
        )
    ]
)
class PeriodSerializer(StrictSerializer):
    """The days of a report, both included."""

    since = serializers.DateField()
    until = serializers.DateField()

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"period": period(**values)}
        except PeriodError as reason:
            raise serializers.ValidationError({"until": [str(reason)]}) from None


class LinkSerializer(serializers.Serializer[Any]):
    """Where a file is, and until when."""

    kind = serializers.CharField()
    url = serializers.URLField()
    expires_at = serializers.DateTimeField()


class LineSerializer(serializers.ModelSerializer[ReportLine]):
    amount = serializers.DecimalField(max_digits=16, decimal_places=2, read_only=True)

    class Meta:
        model = ReportLine
        fields = ["month", "region", "category", "sales", "pieces", "amount", "customers"]
        read_only_fields = fields


class NowSerializer(serializers.Serializer[Any]):
    """A report that was made while its caller waited."""

    lines = LineSerializer(many=True)


class ReportSerializer(serializers.ModelSerializer[Report]):
    url = serializers.HyperlinkedIdentityField(view_name="reports-api:report-detail")
    files = serializers.SerializerMethodField()

    class Meta:
        model = Report
        fields = [
            "id",
            "url",
            "since",
            "until",
            "state",
            "reason",
            "parts",
            "parts_done",
            "files",
            "asked_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field(LinkSerializer(many=True))
    def get_files(self, report: Report) -> list[dict[str, Any]]:
        """Links that are good for a quarter of an hour from now."""
        expires_at = timezone.now() + LINK_LASTS
        links = [
            {
                "kind": file.kind,
                "url": reverse(
                    "reports-api:report-file",
                    args=[link_token(file)],
                    request=self.context.get("request"),
                ),
                "expires_at": expires_at,
            }
            for file in report.files.all()
        ]
        return [dict(LinkSerializer(link).data) for link in links]
