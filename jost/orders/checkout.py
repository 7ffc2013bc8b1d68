"""How an order is placed: with its payment's job in one transaction, and once however often it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from holdfast.logs import correlation_id

from .models import Order, OrderEvent, OrderItem, Payment, Product
from .workflow import go_on

MOST_OF_A_PRODUCT = 1000


class CheckoutError(ValueError):
    """This order cannot be placed; `field` says because of what, the message what to do."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class KeyTakenError(CheckoutError):
    """The key stands for another order."""


def place(
    quantities: Mapping[int, int], *, email: str, key: str, owner: User | None = None
) -> Order:
    """Place an order of so many of each product, by id; the same key gives the same order again.

    The order and its first job commit together: an order that exists is worked on, and one that
    does not was never charged. Raises `CheckoutError` for what cannot be bought, `KeyTakenError`
    for a key that stands for an order of other things, or to another address.
    """
    whole_key = f"{owner.pk if owner else 0}:{key}"
    wanted = {product: quantity for product, quantity in quantities.items() if quantity}
    _require_some(wanted)
    try:
        with transaction.atomic():
            order = _record(wanted, email=email, key=whole_key, owner=owner)
            go_on(order)
    except IntegrityError:
        first = Order.objects.filter(key=whole_key).first()
        if first is None:  # something else is wrong with the rows
            raise
        return _same(first, wanted=wanted, email=email)
    return order


def _require_some(wanted: Mapping[int, int]) -> None:
    if not wanted:
        raise CheckoutError("Choose something: the order has no items.", field="items")
    for quantity in wanted.values():
        if not 1 <= quantity <= MOST_OF_A_PRODUCT:
            message = f"Order from 1 to {MOST_OF_A_PRODUCT} of a product, not {quantity}."
            raise CheckoutError(message, field="items")


def _record(wanted: Mapping[int, int], *, email: str, key: str, owner: User | None) -> Order:
    products = Product.objects.in_bulk(wanted)
    if missing := sorted(wanted.keys() - products.keys()):
        message = f"There is no product {', '.join(map(str, missing))}."
        raise CheckoutError(message, field="items")
    total = sum((products[each].price * wanted[each] for each in wanted), start=Decimal(0))
    order = Order.objects.create(
        owner=owner, key=key, email=email, total=total, correlation=correlation_id()
    )
    OrderItem.objects.bulk_create(
        OrderItem(
            order=order,
            product=products[each],
            quantity=wanted[each],
            price=products[each].price,
        )
        for each in sorted(wanted)
    )
    Payment.objects.create(order=order, amount=total)
    OrderEvent.objects.create(order=order, state=order.state)
    return order


def _same(order: Order, *, wanted: Mapping[int, int], email: str) -> Order:
    things = dict(order.items.values_list("product", "quantity"))
    if things != dict(wanted) or order.email != email:
        message = f"The key stands for order {order.pk}, which is another one: use a new key."
        raise KeyTakenError(message, field="key")
    return order
