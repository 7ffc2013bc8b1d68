"""How imports look in REST, and what an upload is."""

from __future__ import annotations

from rest_framework import serializers

from jost.api.strict import StrictSerializer

from .models import Contact, Import, RowError


class UploadSerializer(StrictSerializer):
    """A CSV file in UTF-8; its first line names the columns: email, name and perhaps phone."""

    file = serializers.FileField(max_length=200)


class ImportSerializer(serializers.ModelSerializer[Import]):
    """An import; `read` of `size` bytes are worked off, and each row is in `imported` or `refused`."""

    url = serializers.HyperlinkedIdentityField(view_name="imports-api:import-detail")

    class Meta:
        model = Import
        fields = [
            "id",
            "url",
            "name",
            "state",
            "reason",
            "job",
            "size",
            "read",
            "imported",
            "refused",
            "created_at",
            "started_at",
            "ended_at",
        ]
        read_only_fields = fields


class ContactSerializer(serializers.ModelSerializer[Contact]):
    class Meta:
        model = Contact
        fields = ["id", "line", "email", "name", "phone"]
        read_only_fields = fields


class RowErrorSerializer(serializers.ModelSerializer[RowError]):
    class Meta:
        model = RowError
        fields = ["line", "reason", "text"]
        read_only_fields = fields
