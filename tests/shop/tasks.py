"""Typed tasks; each notes what its body was given."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Any

from celery import shared_task

from tests.project.tasks import note
from tests.shop.orders import Line, Order, TenantOrder


@shared_task(typed_arguments=True)
def ship(order: Order, day: date | None = None, *, lines: list[Line] | None = None) -> str:
    note(f"ship {type(order).__name__} {order.number} {order.speed} {day!r} {lines!r}")
    return f"shipped {order.number}"


@shared_task(typed_arguments=True, bind=True, atomic=True, max_retries=1)
def ship_again(self: Any, order: Order) -> str:
    note(f"attempt {type(order).__name__} {order.number} {self.request.retries}")
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return f"shipped {order.number}"


@shared_task(typed_arguments=True, pydantic=True, pydantic_context={"tenant": "acme"})
def ship_for(order: TenantOrder) -> TenantOrder:
    note(f"for {type(order).__name__} {order.number}")
    return order


@shared_task
def number(order: dict[str, Any]) -> dict[str, Any]:
    return order


@shared_task(typed_arguments=True, durable=False)
def ship_plain(order: Order) -> None:
    note(f"plain {type(order).__name__} {order.number}")


@shared_task(typed_arguments=True)
def ship_slowly(order: Order, gate: Path) -> str:
    """Wait for a file; at most a minute."""
    note(f"slowly {type(order).__name__} {order.number}")
    deadline = time.monotonic() + 60
    while not gate.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return f"shipped {order.number}"
