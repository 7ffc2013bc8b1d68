"""The steps of an order: each locks it, looks whether it is to be done, and moves it by one state.

A step may be sent twice, die anywhere and run again: what is done stays done.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone

from jost.gateways import clients
from jost.gateways.clients import GatewayDeclinedError
from jost.gateways.sending import mail_once, send_once

from . import stock
from .models import Order, OrderEvent, OrderItem, Payment, Receipt

logger = logging.getLogger(__name__)

State = Order.State
# A gateway moves money for orders in these.
HELD_UP = {
    State.RESERVED: "The payment could not be made yet. It is tried again.",
    State.REFUNDING: "The money could not be given back yet. It is tried again.",
}


class NotRefundableError(ValueError):
    """The order is in a state from which nothing can be refunded; the message says in which."""


@contextmanager
def _locked(order_id: int, *, expected: Order.State) -> Iterator[Order | None]:
    """The order, locked until the end of the block; None if it is not, or no longer, there."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        yield order if order.state == expected else None


def _move(order: Order, *, state: Order.State, reason: str = "") -> None:
    order.state, order.reason, order.moved_at = state, reason, timezone.now()
    order.save(update_fields=["state", "reason", "moved_at"])
    note(order)


def note(order: Order, *, reason: str = "") -> None:
    """Add to the history of an order where it stands, and why."""
    OrderEvent.objects.create(order=order, state=order.state, reason=reason or order.reason)


def settle_stock(order_id: int) -> None:
    """All items are reserved, or none is and the order has failed."""
    with _locked(order_id, expected=State.PLACED) as order:
        if order is None:
            return
        # A job that somebody discarded has not looked; nothing is sold that was not taken off the shelf.
        stock.reserve_rest(order)
        short = order.items.filter(state=OrderItem.State.SHORT).select_related("product")
        if names := ", ".join(item.product.name for item in short):
            stock.give_back(order)
            _move(order, state=State.FAILED, reason=f"Not enough left of {names}."[:200])
        else:
            _move(order, state=State.RESERVED)


def charge(order_id: int) -> None:
    """Take the money, once, then note it.

    Whoever dies in between leaves a doubt, and the gateway knows. A card that is declined fails the
    order and gives back its items.
    """
    order = Order.objects.select_related("payment").get(pk=order_id)
    if order.state != State.RESERVED:
        return
    try:
        number = send_once(
            clients.charges,
            key=f"charge:{order_id}",
            order=str(order_id),
            amount=str(order.payment.amount),
        )
    except GatewayDeclinedError as reason:
        _decline(order_id, reason=str(reason))
        return
    with _locked(order_id, expected=State.RESERVED) as still_reserved:
        if still_reserved is not None:
            Payment.objects.filter(order=order_id).update(number=number, charged_at=timezone.now())
            _move(still_reserved, state=State.CHARGED)


def _decline(order_id: int, *, reason: str) -> None:
    with _locked(order_id, expected=State.RESERVED) as order:
        if order is not None:
            stock.give_back(order)
            _move(order, state=State.FAILED, reason="The payment was declined.")
            logger.info("Charge of order %s was declined: %s", order_id, reason)


def hold_up(order_id: int) -> None:
    """Say on the order that nothing tries to reach the gateway; it keeps its state and its items.

    Whether money has moved is not known, so nothing is given back. A replay of the dead letter goes
    on, and so does whoever finds the order stuck.
    """
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        if reason := HELD_UP.get(State(order.state)):
            order.reason = reason
            order.save(update_fields=["reason"])
            note(order)


def confirm(order_id: int) -> None:
    """The order is sold; its receipt is to be sent."""
    with _locked(order_id, expected=State.CHARGED) as order:
        if order is not None:
            Receipt.objects.get_or_create(order=order)
            _move(order, state=State.CONFIRMED)


def send_receipt(order_id: int) -> None:
    """Mail the receipt, once."""
    receipts = Receipt.objects.select_related("order__payment")
    receipt = receipts.filter(order=order_id).first()
    if receipt is None or receipt.sent_at is not None:
        return
    order = receipt.order
    message = EmailMessage(
        subject=f"Your order {order_id}",
        body=render_to_string("orders/receipt.txt", _told(order)),
        to=[order.email],
    )
    mail_once(message, key=f"receipt:{order_id}")
    Receipt.objects.filter(order=order_id).update(sent_at=timezone.now())


def _told(order: Order) -> dict[str, object]:
    items = [
        {"name": item.product.name, "quantity": item.quantity, "amount": item.quantity * item.price}
        for item in order.items.select_related("product")
    ]
    return {"order": order, "payment": order.payment, "items": items}


def ask_for_refund(order_id: int) -> bool:
    """Begin to give the money back, by a job of the same transaction; tell whether it is this call that did.

    Raises `NotRefundableError` for an order that is not confirmed. One that is being refunded, or was,
    stays as it is.
    """
    from .workflow import go_on

    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        if order.state in (State.REFUNDING, State.REFUNDED):
            return False
        if order.state != State.CONFIRMED:
            raise NotRefundableError(
                f"Order {order_id} is {order.state}: only a confirmed one is refunded."
            )
        _move(order, state=State.REFUNDING)
        go_on(order)
    return True


def refund(order_id: int) -> None:
    """Give the money back, once, then the items; an order whose refund is declined stays sold."""
    order = Order.objects.select_related("payment").get(pk=order_id)
    if order.state != State.REFUNDING:
        return
    asked = order.payment
    try:
        number = send_once(
            clients.refunds, key=asked.refund_key, order=str(order_id), amount=str(asked.amount)
        )
    except GatewayDeclinedError as reason:
        _decline_refund(asked, reason=str(reason))
        return
    with _refunding(asked) as still_refunding:
        if still_refunding is not None:
            Payment.objects.filter(order=order_id).update(
                refund_number=number, refunded_at=timezone.now()
            )
            stock.give_back(still_refunding)
            _move(still_refunding, state=State.REFUNDED)


def _decline_refund(asked: Payment, *, reason: str) -> None:
    with _refunding(asked) as order:
        if order is not None:
            Payment.objects.filter(pk=asked.pk).update(refunds_declined=F("refunds_declined") + 1)
            _move(order, state=State.CONFIRMED, reason="The refund was declined.")
            logger.info("Refund of order %s was declined: %s", order.pk, reason)


@contextmanager
def _refunding(asked: Payment) -> Iterator[Order | None]:
    """The order, locked; None unless it waits for this refund, and not for one that was asked for later."""
    with _locked(asked.order_id, expected=State.REFUNDING) as order:
        is_same = order is not None and order.payment.refund_key == asked.refund_key
        yield order if is_same else None
