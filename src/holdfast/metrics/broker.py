"""What the broker says of itself, asked over the connection that this process sends its jobs with."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Any

from celery import current_app

from holdfast.broker import sizes
from holdfast.broker.publisher import Publisher, Unavailable
from holdfast.metrics import contract
from holdfast.metrics.readings import Reading, reading


def numbers() -> Iterator[Reading]:
    """Whether it takes messages, what it has room for, and how many lie in each queue; within the publish timeout each.

    What it does not tell, a broker that is no Redis among them, is left out.
    """
    publisher = _publisher()
    if publisher is None:
        return
    began = time.perf_counter()
    takes = publisher.available and publisher.is_reachable()
    yield reading(contract.BROKER_UP, takes)
    if not takes:
        return
    yield reading(contract.BROKER_ANSWER, time.perf_counter() - began)
    found = sizes.of_server(publisher)
    for metric, value in (
        (contract.BROKER_MEMORY, found.used_bytes),
        (contract.BROKER_MEMORY_MAX, found.most_bytes),
        (contract.BROKER_CLIENTS, found.clients),
        (contract.BROKER_EVICTED, found.evicted),
    ):
        if value is not None:
            yield reading(metric, value)


def messages(queues: Collection[str]) -> Iterator[Reading]:
    """How many messages lie in each queue; nothing while the broker is away."""
    publisher = _publisher()
    if publisher is None or not publisher.available:
        return
    try:
        found = sizes.of_queues(publisher, queues)
    except Unavailable:
        # That it is away is told by what it says of itself.
        return
    for queue, n in found.items():
        yield reading(contract.BROKER_MESSAGES, n, queue)


def _publisher() -> Publisher | None:
    outbox: Any = getattr(current_app, "outbox", None)
    return None if outbox is None else outbox.publisher
