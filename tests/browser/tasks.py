"""A shop: tasks with something to see in the console."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from celery import group, shared_task
from celery.exceptions import Reject

from holdfast import Limit

# A card takes no more.
MOST = 1000
LONGEST = 900.0


class CardDeclined(Exception):
    """The bank says no."""


@shared_task(name="shop.charge", redact=("card_number",))
def charge(order: int, card_number: str, amount: float) -> dict[str, Any]:
    if amount > MOST:
        raise CardDeclined(f"The card of order {order} was declined: {amount} is more than {MOST}")
    return {"order": order, "charged": amount, "lines": [{"item": n, "count": 1} for n in range(5)]}


@shared_task(name="shop.pack")
def pack(order: int, gate: str) -> int:
    """Take until the file `gate` is there."""
    _await(gate)
    return order


@shared_task(name="shop.print_label", limit=Limit("label printer", concurrency=1))
def print_label(order: int, gate: str) -> int:
    _await(gate)
    return order


@shared_task(name="shop.restock")
def restock(item: str) -> None:
    raise Reject(f"nobody sells {item} any more", requeue=False)


@shared_task(name="shop.mail")
def mail(customer: int, **_: Any) -> int:
    return customer


@shared_task(name="shop.count_stock")
def count_stock() -> int:
    return 42


@shared_task(name="shop.campaign")
def campaign(customers: int) -> None:
    """Mail to many: a workflow of hundreds."""
    group(mail.si(customer) for customer in range(customers)).apply_async()


@shared_task(name="shop.receipt")
def receipt(parts: Any) -> str:
    return f"receipt of {parts}"


def _await(gate: str) -> None:
    deadline = time.monotonic() + LONGEST
    while not Path(gate).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
