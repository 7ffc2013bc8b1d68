"""Dramatiq on Redis, its heartbeat short and its upkeep at every turn: the soonest recovery its options give."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.bodies import BODIES

broker = RedisBroker(
    url=os.environ["PEER_BROKER_URL"], heartbeat_timeout=5000, maintenance_chance=1_000_000
)
dramatiq.set_broker(broker)
TASKS: dict[str, Any] = {
    name: dramatiq.actor(actor_name=name)(body) for name, body in BODIES.items()
}


def send(body: str, argument: float) -> None:
    TASKS[body].send(argument)
