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

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:  # noqa: FBT001
        """Write what was changed only: orders take from the stock while somebody fills in the form."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        with transaction.atomic():
            there = Product.objects.select_for_update().get(pk=obj.pk)
            if "stock" in form.changed_data:
                # So many more or fewer than were there to be seen.
                obj.stock = max(0, there.stock + obj.stock - form.initial["stock"])
            obj.save(update_fields=form.changed_data)


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

    @admin.action(description="Send on from where they stand", permissions=["send_on"])
    def send_on(self, request: HttpRequest, orders: QuerySet[Any]) -> None:
        """What is done stays done: each step looks first."""
        sent_on = 0
        for number in orders.values_list("pk", flat=True):
            with transaction.atomic():
                sent_on += go_on(Order.objects.select_for_update().get(pk=number))
        self.message_user(request, f"{sent_on} sent on; the others have nowhere to go.")

    def has_send_on_permission(self, request: HttpRequest) -> bool:
        """Only for whoever may change orders, though nobody writes their fields here."""
        return request.user.has_perm("orders.change_order")
