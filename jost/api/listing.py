"""The order of lists: `?order_by=name&order_dir=desc`, the same way for every resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.views import APIView

DIRECTIONS = ("asc", "desc")


class Order(BaseFilterBackend):
    """Orders by one of the view's `order_fields`, in `order_dir`; rows that are equal by their id.

    Without `order_by` the first of them counts, without `order_dir` the view's `order_dir`, which
    is usually upwards; without either the list keeps the order of the view's queryset. What a
    field is called in the database, if not as here, is in `order_columns`. Anything else is an
    error that lists what there is: an order that is silently another one would be trusted.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        fields = self._fields(view)
        asked = request.query_params
        if "order_by" not in asked and "order_dir" not in asked:
            return queryset
        field = asked.get("order_by", fields[0])
        direction = asked.get("order_dir", self._direction(view)).lower()
        if direction not in DIRECTIONS:
            raise ValidationError({"order_dir": [f"There is {' and '.join(DIRECTIONS)}."]})
        if field not in fields:
            raise ValidationError({"order_by": [f"There is {', '.join(fields)}."]})
        sign = "-" if direction == "desc" else ""
        column = getattr(view, "order_columns", {}).get(field, field)
        return queryset.order_by(f"{sign}{column}", f"{sign}pk")

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            _parameter("order_by", self._fields(view), "Field that the list is ordered by."),
            _parameter("order_dir", DIRECTIONS, _usual(self._direction(view))),
        ]

    def _fields(self, view: APIView) -> tuple[str, ...]:
        return tuple(getattr(view, "order_fields", ("id",)))

    def _direction(self, view: APIView) -> str:
        return str(getattr(view, "order_dir", "asc"))


def _usual(direction: str) -> str:
    if direction == "asc":
        return "Upwards, which is usual, or downwards."
    return "Downwards, which is usual here, or upwards."


def _parameter(name: str, choices: tuple[str, ...], meaning: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": meaning,
        "schema": {"type": "string", "enum": list(choices)},
    }
