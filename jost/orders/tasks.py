"""The jobs of orders; each is one step, idempotent by the state of its order."""

from __future__ import annotations

from celery import shared_task

import holdfast
from jost.gateways.sending import RETRIES

from . import healing, steps, stock


@shared_task(name="jost.orders.reserve", atomic=True)
def reserve(item_id: int) -> None:
    """Take one item off the shelf; the stock and the end of the job commit together."""
    stock.reserve(item_id)


@shared_task(name="jost.orders.settle_stock", atomic=True)
def settle_stock(order_id: int) -> None:
    """Go on with all items, or fail the order."""
    steps.settle_stock(order_id)


@shared_task(name="jost.orders.charge", retry_rules=RETRIES)
def charge(order_id: int) -> None:
    """Take the money, once."""
    steps.charge(order_id)


@shared_task(name="jost.orders.hold_up", atomic=True)
def hold_up(order_id: int) -> None:
    """Say on the order that its payment is a dead letter."""
    steps.hold_up(order_id)


@shared_task(name="jost.orders.confirm", atomic=True)
def confirm(order_id: int) -> None:
    """Call the order sold."""
    steps.confirm(order_id)


@shared_task(name="jost.orders.send_receipt", retry_rules=RETRIES)
def send_receipt(order_id: int) -> None:
    """Mail the receipt, once."""
    steps.send_receipt(order_id)


@shared_task(name="jost.orders.refund", retry_rules=RETRIES)
def refund(order_id: int) -> None:
    """Give the money back, once."""
    steps.refund(order_id)


@holdfast.singleton_task(name="jost.orders.heal_stuck", on_conflict="skip")
def heal_stuck() -> int:
    """Send on what nobody goes on with."""
    return healing.heal()
