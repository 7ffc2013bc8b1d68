"""Writes forged, altered and broken messages into the queues, as whoever has got into Redis can; its own process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import django
import redis

from tests.chaos import record

PAUSE = (0.2, 1.0)
QUEUE = "celery"


def main(*, seed: int, journal: Path, stop: Path) -> None:
    """Forge until the stop file is there; each made-up id is noted before it is sent."""
    from tests.chaos.ground import lasting

    rng = Random(seed)
    client = redis.Redis.from_url(os.environ["TEST_BROKER_URL"], socket_timeout=1)
    for number in count():
        if stop.exists():
            return
        try:
            forged = list(messages(client, f"forged-{seed}-{number}"))
            made_up = rng.choice(forged)
            record.append(journal, [f"forged forged-{seed}-{number} {record.now():.3f}"])
            client.lpush(QUEUE, made_up)
        except redis.RedisError:
            client.close()
        lasting(rng.uniform(*PAUSE))


def messages(client: redis.Redis, id: str) -> Iterator[bytes]:
    """Yield what an attacker may make up, from nothing and from a ticket that waits."""
    from tests.attacks import message

    yield message("tests.chaos.tasks.work", 0.0, id=id)
    yield message("tests.chaos.tasks.poison", id=id)
    yield message("tests.chaos.tasks.nobody_knows_it", id=id)
    yield b'{"body": "broken'
    honest = client.lindex(QUEUE, -1)
    if isinstance(honest, bytes) and b'"headers"' in honest:
        yield honest[: len(honest) // 2]
        yield from altered(honest, id)


def altered(honest: bytes, id: str) -> Iterator[bytes]:
    """Yield a ticket of somebody else's job with its id, its task or its token changed."""
    parts = json.loads(honest)
    headers = parts["headers"]
    mark = headers.get("holdfast")
    yield json.dumps({**parts, "headers": {**headers, "id": id}}).encode()
    yield json.dumps({**parts, "headers": {**headers, "task": "tests.chaos.tasks.poison"}}).encode()
    if isinstance(mark, dict):
        newer = {**mark, "token": mark["token"] + 1}
        yield json.dumps({**parts, "headers": {**headers, "holdfast": newer}}).encode()


if __name__ == "__main__":
    django.setup()
    main(seed=int(sys.argv[1]), journal=Path(sys.argv[2]), stop=Path(sys.argv[3]))
