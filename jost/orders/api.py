"""Orders over REST: products, checkout, one's own orders, refunds."""

from __future__ import annotations

import re
from typing import Any, ClassVar
from uuid import uuid4

from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jost.api.owners import owner_of, visible_to
from jost.api.strict import ErrorSerializer

from . import checkout, steps
from .models import Order, Product
from .serializers import CheckoutSerializer, OrderSerializer, ProductSerializer

LONGEST_KEY = 80
# What can be seen, with spaces inside at most: nobody means a key that is empty.
KEY_PATTERN = "^[!-~]([ -~]*[!-~])?$"
KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": KEY_PATTERN},
    OpenApiParameter.HEADER,
    description="A second order with the same key is the first one. Left out, every call is new.",
)


@extend_schema_view(
    list=extend_schema(summary="List what can be bought"),
    retrieve=extend_schema(summary="Read a product"),
)
class ProductViewSet(viewsets.ReadOnlyModelViewSet[Product]):
    queryset = Product.objects.all()
    serializer_class = ProductSerializer
    order_fields = ("name", "price", "stock")


@extend_schema_view(
    list=extend_schema(summary="List one's own orders, the newest first"),
    retrieve=extend_schema(summary="Read an order"),
)
class OrderViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Order]
):
    queryset = Order.objects.all()
    serializer_class = OrderSerializer
    filterset_fields = ["state"]
    order_fields = ("id", "state", "total", "created_at", "moved_at")
    throttle_scopes: ClassVar = {"create": "checkout"}

    def get_queryset(self) -> QuerySet[Order]:
        orders = Order.objects.select_related("payment", "receipt").prefetch_related(
            "items__product"
        )
        return visible_to(self.request.user, orders)

    @extend_schema(
        summary="Place an order; its payment is a job that is recorded with it",
        parameters=[KEY],
        request=CheckoutSerializer,
        responses={
            201: OrderSerializer,
            409: OpenApiResponse(ErrorSerializer, "The key stands for another order."),
        },
    )
    def create(self, request: Request) -> Response:
        asked = CheckoutSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        key = _key(request)
        values = asked.validated_data
        try:
            order = checkout.place(
                values["items"], email=values["email"], key=key, owner=owner_of(request)
            )
        except checkout.KeyTakenError as reason:
            return Response({"detail": str(reason)}, status.HTTP_409_CONFLICT)
        except checkout.CheckoutError as reason:
            raise ValidationError({reason.field: [str(reason)]}) from None
        answer = self.get_serializer(self.get_queryset().get(pk=order.pk)).data
        return Response(answer, status.HTTP_201_CREATED, headers={"Location": answer["url"]})

    @extend_schema(
        summary="Give the money back; a second call changes nothing",
        request=None,
        responses={
            202: OrderSerializer,
            409: OpenApiResponse(ErrorSerializer, "The order is not confirmed."),
        },
    )
    @action(detail=True, methods=["post"])
    def refund(self, _request: Request, **_: Any) -> Response:
        order = self.get_object()
        try:
            steps.ask_for_refund(order.pk)
        except steps.NotRefundableError as reason:
            return Response({"detail": str(reason)}, status.HTTP_409_CONFLICT)
        answer = self.get_serializer(self.get_queryset().get(pk=order.pk)).data
        return Response(answer, status.HTTP_202_ACCEPTED)


def _key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return uuid4().hex
    if len(key) > LONGEST_KEY or not re.match(KEY_PATTERN, key):
        told = f"Give from 1 to {LONGEST_KEY} letters, digits and signs of ASCII, or no key at all."
        raise ValidationError({"Idempotency-Key": [told]})
    return key
