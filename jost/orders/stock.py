"""What is on the shelf: reserved item by item, and given back by whoever fails or refunds the order."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from .models import Order, OrderItem, Product


def reserve(item_id: int) -> None:
    """Take one item off the shelf, or note that there is not enough; once, under locks.

    One product at a time is locked, so orders for the same things in another order wait for each
    other and cannot lock each other out.
    """
    with transaction.atomic():
        item = OrderItem.objects.select_for_update().get(pk=item_id)
        if item.state != OrderItem.State.WANTED:
            return
        product = Product.objects.select_for_update().get(pk=item.product_id)
        if product.stock >= item.quantity:
            product.stock -= item.quantity
            product.save(update_fields=["stock"])
            item.state = OrderItem.State.RESERVED
        else:
            item.state = OrderItem.State.SHORT
        item.save(update_fields=["state"])


def reserve_rest(order: Order) -> None:
    """Reserve what no job of its own has looked at; inside the caller's transaction."""
    wanted = order.items.select_for_update().filter(state=OrderItem.State.WANTED)
    if not (left := [item.pk for item in wanted]):
        return
    # All of them in one order, as whoever gives back has it: two such orders wait for each other.
    list(Product.objects.select_for_update().filter(orderitem__order=order).order_by("pk"))
    for item in left:
        reserve(item)


def give_back(order: Order) -> None:
    """Put what the order had reserved on the shelf again; inside the caller's transaction."""
    reserved = order.items.select_for_update().filter(state=OrderItem.State.RESERVED)
    for item in reserved.order_by("product_id"):
        Product.objects.filter(pk=item.product_id).update(stock=F("stock") + item.quantity)
    reserved.update(state=OrderItem.State.RETURNED)
