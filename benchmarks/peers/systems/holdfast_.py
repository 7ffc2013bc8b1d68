"""Holdfast with its defaults, on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from benchmarks.peers.bodies import BODIES
from holdfast import Celery

app = Celery("peer", broker=os.environ["PEER_BROKER_URL"])
TASKS: dict[str, Any] = {
    name: app.task(name=name, ignore_result=True)(body) for name, body in BODIES.items()
}


def send(body: str, argument: float) -> None:
    TASKS[body].delay(argument)


def send_many(body: str, arguments: Iterable[float]) -> None:
    TASKS[body].apply_many([(argument,) for argument in arguments])
