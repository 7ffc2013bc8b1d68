"""RQ, its jobs retried, its upkeep every ten seconds."""

from __future__ import annotations

import os
from collections.abc import Iterable

import redis
import rq

from benchmarks.peers.bodies import BODIES

queue = rq.Queue("default", connection=redis.Redis.from_url(os.environ["PEER_BROKER_URL"]))


def send(body: str, argument: float) -> None:
    queue.enqueue(BODIES[body], argument, retry=rq.Retry(3), result_ttl=0)


def send_many(body: str, arguments: Iterable[float]) -> None:
    prepared = [
        rq.Queue.prepare_data(BODIES[body], (argument,), result_ttl=0) for argument in arguments
    ]
    queue.enqueue_many(prepared)
