"""TaskIQ on a Redis stream; what was not acknowledged is taken over after ten seconds."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from taskiq_redis import RedisStreamBroker

from benchmarks.peers.bodies import BODIES

broker: Any = RedisStreamBroker(os.environ["PEER_BROKER_URL"], idle_timeout=10_000)
TASKS: dict[str, Any] = {name: broker.register_task(body, name) for name, body in BODIES.items()}
_loop = asyncio.new_event_loop()
_started: list[bool] = []


def send(body: str, argument: float) -> None:
    if not _started:
        _loop.run_until_complete(broker.startup())
        _started.append(True)
    _loop.run_until_complete(TASKS[body].kiq(argument))
