"""Lists by pages; how every resource answers that has more than one."""

from __future__ import annotations

from typing import Any

from rest_framework.pagination import LimitOffsetPagination


class Pages(LimitOffsetPagination):
    """Says of `next` and `previous` in the words of OpenAPI 3.1 that they may be null."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described: dict[str, Any] = super().get_paginated_response_schema(schema)
        for name in ("next", "previous"):
            link = described["properties"][name]
            if link.pop("nullable", False):
                link["type"] = [link["type"], "null"]
        return described
