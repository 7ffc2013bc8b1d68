"""Bodies of requests that mean what they say; used by every resource that takes one."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class StrictMixin:
    """Refuses a field that it does not know: a misspelt one would silently keep its default."""

    fields: Any

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            known = [name for name, field in self.fields.items() if not field.read_only]
            for name in data:
                if name not in known:
                    message = f"There is no {name!r} here; there is {', '.join(known)}."
                    raise serializers.ValidationError({str(name): [message]})
        return super().to_internal_value(data)  # type: ignore[misc]


class StrictSerializer(StrictMixin, serializers.Serializer[Any]):
    """A plain one."""


class ErrorSerializer(serializers.Serializer[Any]):
    """What an answer says that is neither the resource nor about single fields."""

    detail = serializers.CharField()
