"""Orders in the admin: stock is edited, orders are looked at and sent on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from jost.admin import Admin, HistoryAdmin, HistoryInline

from .models import Order, OrderItem, Payment, Product
from .workflow import go_on


@admin.register(Product)
class ProductAdmin(Admin):
    list_display = ["name", "price", "stock"]
    search_fields = ["name"]


class ItemInline(HistoryInline):
    model = OrderItem
    fields = ["product", "quantity", "price", "state"]


class PaymentInline(HistoryInline):
    model = Payment
    fields = ["amount", "number", "charged_at", "refund_number", "refunded_at"]


@admin.register(Order)
class OrderAdmin(HistoryAdmin):
    list_display = ["id", "state", "total", "email", "moved_at", "created_at"]
    list_filter = ["state"]
    search_fields = ["email"]
    inlines = [ItemInline, PaymentInline]
    actions = ["send_on"]

    @admin.action(description="Send on from where they stand", permissions=["view"])
    def send_on(self, request: HttpRequest, orders: QuerySet[Any]) -> None:
        """What is done stays done: each step looks first."""
        for order in orders:
            with transaction.atomic():
                go_on(order)
        self.message_user(request, f"{orders.count()} sent on.")
