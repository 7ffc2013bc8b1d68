"""Orders in the admin: stock is edited, orders are looked at, sent on and refunded."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from jost.admin import Admin, HistoryAdmin, HistoryInline, note

from . import healing, steps
from .models import Order, OrderEvent, OrderItem, Payment, Product, Receipt
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
    fields = ["amount", "number", "charged_at", "refunds_declined", "refund_number", "refunded_at"]


class ReceiptInline(HistoryInline):
    model = Receipt
    fields = ["sent_at"]


class EventInline(HistoryInline):
    model = OrderEvent
    fields = ["state", "reason", "created_at"]


class StuckFilter(admin.SimpleListFilter):
    """Orders that wait to be found, and those that are well."""

    title = "stuck"
    parameter_name = "stuck"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes: not moved for two hours")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "yes":
            return queryset
        is_stuck = Q(pk__in=healing.stuck().values("pk"))
        return queryset.filter(is_stuck | Q(pk__in=healing.without_receipt().values("pk")))


@admin.register(Order)
class OrderAdmin(HistoryAdmin):
    list_display = ["id", "state", "total", "email", "moved_at", "created_at"]
    list_filter = ["state", StuckFilter]
    search_fields = ["email", "correlation"]
    inlines = [ItemInline, PaymentInline, ReceiptInline, EventInline]
    actions = ["send_on", "refund"]

    @admin.action(description="Send on from where they stand", permissions=["move"])
    def send_on(self, request: HttpRequest, orders: QuerySet[Any]) -> None:
        """What is done stays done: each step looks first."""
        sent_on = []
        for number in orders.values_list("pk", flat=True):
            with transaction.atomic():
                if go_on(Order.objects.select_for_update().get(pk=number)):
                    sent_on.append(number)
                    self._note(request, number, message="Sent on.")
        self.message_user(request, f"{len(sent_on)} sent on; the others have nowhere to go.")

    @admin.action(description="Give the money back", permissions=["move"])
    def refund(self, request: HttpRequest, orders: QuerySet[Any]) -> None:
        """Those that are confirmed; of the others it says why not."""
        begun = 0
        for number in orders.values_list("pk", flat=True):
            try:
                with transaction.atomic():
                    begun += steps.ask_for_refund(number)
                    self._note(request, number, message="Asked for the refund.")
            except steps.NotRefundableError as reason:
                self.message_user(request, str(reason), messages.WARNING)
        self.message_user(request, f"{begun} will be refunded.")

    def _note(self, request: HttpRequest, number: int, *, message: str) -> None:
        note(request, Order.objects.filter(pk=number), message=message)

    def has_move_permission(self, request: HttpRequest) -> bool:
        """Only for whoever may change orders, though nobody writes their fields here."""
        return request.user.has_perm("orders.change_order")
