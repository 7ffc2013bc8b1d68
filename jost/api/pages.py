"""Lists by pages; how every resource answers that has more than one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.pagination import LimitOffsetPagination

if TYPE_CHECKING:
    from rest_framework.views import APIView


class Pages(LimitOffsetPagination):
    """Gives `limit` rows at a time; of a larger number no database has to know.

    Says of `next` and `previous` in the words of OpenAPI 3.1 that they may be null.
    """

    max_limit = 1000

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        described = {each["name"]: each for each in super().get_schema_operation_parameters(view)}
        most = f"{self.max_limit:,} at most; {self.default_limit} if it is left out."
        described["limit"]["description"] = f"How many rows: {most}"
        described["limit"]["schema"] |= {"minimum": 1}
        described["offset"]["description"] = "How many rows come before them."
        described["offset"]["schema"] |= {"minimum": 0}
        return list(described.values())

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described: dict[str, Any] = super().get_paginated_response_schema(schema)
        for name in ("next", "previous"):
            link = described["properties"][name]
            if link.pop("nullable", False):
                link["type"] = [link["type"], "null"]
        return described
