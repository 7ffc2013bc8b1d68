"""Huey on Redis, its jobs retried."""

from __future__ import annotations

import os
from typing import Any

from huey import RedisHuey

from benchmarks.peers.bodies import BODIES

huey: Any = RedisHuey("peer", url=os.environ["PEER_BROKER_URL"], results=False)
TASKS: dict[str, Any] = {
    name: huey.task(name=name, retries=3)(body) for name, body in BODIES.items()
}


def send(body: str, argument: float) -> None:
    TASKS[body](argument)
