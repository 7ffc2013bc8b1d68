"""How orders look in REST, and what an order says."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from jost.api.strict import StrictSerializer

from .checkout import MOST_OF_A_PRODUCT
from .models import Order, OrderItem, Payment, Product

LARGEST_ID = 2**63 - 1


class ProductSerializer(serializers.ModelSerializer[Product]):
    class Meta:
        model = Product
        fields = ["id", "name", "price", "stock"]
        read_only_fields = fields


class WantedSerializer(StrictSerializer):
    """So many of one product."""

    product = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    quantity = serializers.IntegerField(min_value=1, max_value=MOST_OF_A_PRODUCT)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two of one, one of another",
            {
                "email": "ada@example.com",
                "items": [{"product": 1, "quantity": 2}, {"product": 2, "quantity": 1}],
            },
            request_only=True,
        )
    ]
)
class CheckoutSerializer(StrictSerializer):
    """An order to be placed; the header Idempotency-Key makes a second one the same."""

    email = serializers.EmailField()
    items = serializers.ListField(child=WantedSerializer(), allow_empty=False, max_length=50)

    def validate_items(self, items: list[dict[str, Any]]) -> dict[int, int]:
        quantities = {item["product"]: item["quantity"] for item in items}
        if len(quantities) < len(items):
            raise serializers.ValidationError("A product stands here twice: add up its quantities.")
        return quantities


class ItemSerializer(serializers.ModelSerializer[OrderItem]):
    name = serializers.CharField(source="product.name", read_only=True)

    class Meta:
        model = OrderItem
        fields = ["product", "name", "quantity", "price", "state"]
        read_only_fields = fields


class PaymentSerializer(serializers.ModelSerializer[Payment]):
    class Meta:
        model = Payment
        fields = ["amount", "charged_at", "refunded_at"]
        read_only_fields = fields


class OrderSerializer(serializers.ModelSerializer[Order]):
    url = serializers.HyperlinkedIdentityField(view_name="orders-api:order-detail")
    items = ItemSerializer(many=True, read_only=True)
    payment = PaymentSerializer(read_only=True)
    receipt_sent_at = serializers.DateTimeField(
        source="receipt.sent_at", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = Order
        fields = [
            "id",
            "url",
            "state",
            "reason",
            "email",
            "total",
            "items",
            "payment",
            "receipt_sent_at",
            "created_at",
            "moved_at",
        ]
        read_only_fields = fields
