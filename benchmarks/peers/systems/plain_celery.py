"""Celery, in the set-up that PEER_CELERY names: results ignored, or as safe as its options make it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from celery import Celery

from benchmarks.peers.bodies import BODIES

app = Celery("peer", broker=os.environ["PEER_BROKER_URL"])
if os.environ.get("PEER_CELERY") == "safe":
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # A message is given to somebody else 30 s after it was fetched, and it is looked for every second.
        broker_transport_options={
            "visibility_timeout": 30,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
        },
    )
if os.environ.get("PEER_CELERY") == "django":
    app.conf.update(result_backend="django-db", cache_backend="default")
kept = os.environ.get("PEER_CELERY") == "django"
TASKS: dict[str, Any] = {
    name: app.task(name=name, ignore_result=not kept)(body) for name, body in BODIES.items()
}


def send(body: str, argument: float) -> None:
    TASKS[body].delay(argument)


def send_many(body: str, arguments: Iterable[float]) -> None:
    """Send by one producer, which is all that Celery has for many."""
    with app.producer_pool.acquire(block=True) as producer:
        for argument in arguments:
            TASKS[body].apply_async((argument,), producer=producer)
