"""A shop in the test's own process, whose gateways are stood in for; real ones are in tests/integration."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from unittest.mock import patch

from django.test import TestCase

from holdfast.logs import correlation_id
from holdfast.testing import HoldfastJobsMixin
from jost.gateways.clients import Gateway
from jost.orders import checkout
from jost.orders.models import Order, Product


class Money:
    """Stands for the gateways: what was taken and given back, by key, and for which requests."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.requests: list[str] = []
        self.errors: list[Exception] = []

    def send(self, _gateway: Any, *, key: str, **_content: Any) -> int:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(key)
        self.requests.append(correlation_id())
        return len(self.taken)

    def find(self, _gateway: Any, key: str) -> int | None:
        return self.taken.index(key) + 1 if key in self.taken else None


class ShopCase(HoldfastJobsMixin, TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.money = money = Money()
        for name, function in (("send", money.send), ("find", money.find)):
            patched = patch.object(Gateway, name, autospec=True, side_effect=function)
            patched.start()
            self.addCleanup(patched.stop)
        self.tea = Product.objects.create(name="Tea", price=Decimal("4.50"), stock=10)
        self.cup = Product.objects.create(name="Cup", price=Decimal("12.00"), stock=1)

    def place(self, *, tea: int = 2, cup: int = 0, key: str = "first") -> Order:
        quantities = {self.tea.pk: tea, self.cup.pk: cup}
        return checkout.place(quantities, email="ada@example.com", key=key)

    def drain(self) -> None:
        self.holdfast_jobs.drain()

    def state(self, order: Order) -> str:
        order.refresh_from_db()
        return order.state

    def stock(self) -> tuple[int, int]:
        for product in (self.tea, self.cup):
            product.refresh_from_db()
        return self.tea.stock, self.cup.stock
