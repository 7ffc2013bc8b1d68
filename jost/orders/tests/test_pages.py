"""The pages of orders: one order a page, what became of it in words, and lists that are narrowed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.test import TestCase
from django.utils import timezone

from holdfast.testing import HoldfastJobsMixin
from jost.orders.healing import STUCK_AFTER
from jost.orders.models import Order, Payment, Product, Receipt


class Pages(HoldfastJobsMixin, TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tea = Product.objects.create(name="Tea", price=Decimal("4.50"), stock=10)

    def form(self, *, quantity: int, key: str = "k") -> dict[str, str]:
        return {"email": "ada@example.com", "key": key, f"quantity_{self.tea.pk}": str(quantity)}

    def order(self, state: str, **values: Any) -> Order:
        number = Order.objects.count()
        order = Order.objects.create(
            key=f"0:{number}", email="ada@example.com", state=state, total=Decimal(1200), **values
        )
        Payment.objects.create(order=order, amount=order.total)
        if state == Order.State.CONFIRMED:
            Receipt.objects.create(order=order, sent_at=timezone.now())
        return order

    def test_page_that_has_placed_an_order_places_another_when_it_is_told_to(self) -> None:
        self.client.post("/orders/", self.form(quantity=1))

        again = self.client.post("/orders/", self.form(quantity=2))
        self.assertContains(again, "has placed an order already", status_code=422)
        key = again.context["form"]["key"].value()
        self.client.post("/orders/", self.form(quantity=2, key=key))

        self.assertEqual([each.items.get().quantity for each in Order.objects.all()], [2, 1])

    def test_page_of_the_shop_is_never_kept(self) -> None:
        self.assertIn("no-store", self.client.get("/orders/")["Cache-Control"])

    def test_what_is_sold_out_cannot_be_chosen(self) -> None:
        Product.objects.update(stock=0)

        page = self.client.get("/orders/")

        self.assertContains(page, "sold out")
        self.assertNotContains(page, f"quantity_{self.tea.pk}")

    def test_order_that_is_stuck_says_so_and_what_comes_of_it(self) -> None:
        before = timezone.now() - STUCK_AFTER - timedelta(minutes=1)
        stuck, moves = self.order("reserved", moved_at=before), self.order("reserved")

        self.assertContains(self.client.get(f"/orders/{stuck.pk}/"), "sent on by itself")
        self.assertNotContains(self.client.get(f"/orders/{moves.pk}/"), "sent on by itself")

    def test_each_state_shows_what_is_done_and_what_is_next(self) -> None:
        for state, marks in [
            ("placed", ["done", "now", "open", "open"]),
            ("charged", ["done", "done", "done", "now"]),
            ("confirmed", ["done"] * 4),
            ("refunding", [*["done"] * 5, "now"]),
            ("refunded", ["done"] * 6),
            ("failed", ["done", "bad"]),
        ]:
            page = self.client.get(f"/orders/{self.order(state).pk}/")
            self.assertEqual([mark for _, mark in page.context["steps"]], marks, state)

    def test_list_asks_for_itself_while_an_order_is_under_way_and_is_narrowed_by_state(
        self,
    ) -> None:
        self.order("confirmed")
        self.assertNotContains(self.client.get("/orders/"), "hx-get")
        self.order("charged")

        page = self.client.get("/orders/?state=charged")

        self.assertContains(page, 'hx-get="/orders/?state=charged"')
        self.assertContains(page, "1,200.00", count=1)
        part = self.client.get("/orders/?state=charged", headers={"HX-Request": "true"})
        self.assertNotContains(part, "<html")
        self.assertContains(self.client.get("/orders/?state=failed"), "No order is failed")
