"""The steps of an order as a workflow: where it stands decides what is still to be done."""

from __future__ import annotations

from typing import Any

from celery import chain, chord

from .models import Order

State = Order.State


def go_on(order: Order) -> bool:
    """Send what is left of the steps, as part of the caller's transaction; tell whether any is.

    Each step looks at the order under a lock and does nothing that is done, so sending them twice
    does no harm.
    """
    steps = steps_from(order)
    if steps:
        chain(*steps).delay()
    return bool(steps)


def steps_from(order: Order) -> list[Any]:
    """What is to be done from this state on, in order."""
    from . import tasks  # they import this module

    number = order.pk
    held_up = tasks.hold_up.si(number)
    if order.state == State.REFUNDING:
        return [tasks.refund.si(number).on_error(held_up)]
    steps: list[Any] = []
    if order.state == State.PLACED:
        # All items at once; the end of the last one sends on.
        reservations = [tasks.reserve.si(item) for item in order.items.values_list("pk", flat=True)]
        steps.append(chord(reservations, tasks.settle_stock.si(number)))
    if order.state in (State.PLACED, State.RESERVED):
        steps.append(tasks.charge.si(number).on_error(held_up))
    if order.state in (State.PLACED, State.RESERVED, State.CHARGED):
        steps += [tasks.confirm.si(number), tasks.send_receipt.si(number)]
    elif order.state == State.CONFIRMED and order.receipt.sent_at is None:
        steps.append(tasks.send_receipt.si(number))
    return steps
