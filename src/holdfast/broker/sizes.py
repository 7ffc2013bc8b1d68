"""How full the broker is: what its server says of itself, and how many messages lie in each queue; changes nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from holdfast.broker.publisher import Publisher, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSizes:
    """What a Redis says of itself; None where it does not, or is none."""

    used_bytes: int | None = None
    most_bytes: int | None = None
    """Its maxmemory; None also where it has none."""
    clients: int | None = None
    evicted: int | None = None
    """Keys thrown away for want of memory since it started."""


def of_server(publisher: Publisher) -> ServerSizes:
    """Return what the server says, within the publish timeout.

    Raises:
        Unavailable: it does not answer.
    """
    try:
        client = publisher.client()
        if client is None:
            return ServerSizes()
        # Whole: not every server takes the names of several sections.
        told: dict[str, Any] = client.info()
    except Exception as error:  # every client library has its own tree of errors
        raise Unavailable(error, rest=()) from error
    return ServerSizes(
        used_bytes=_number(told.get("used_memory")),
        most_bytes=_number(told.get("maxmemory")) or None,
        clients=_number(told.get("connected_clients")),
        evicted=_number(told.get("evicted_keys")),
    )


def of_queues(publisher: Publisher, names: Collection[str]) -> dict[str, int]:
    """Return how many messages lie in each queue, durable or not; one round trip to Redis for all of them.

    Raises:
        Unavailable: it does not answer.
    """
    try:
        channel = publisher.channel()
        if channel is None:
            waiting = {name: publisher.waiting(name) for name in names}
            return {name: n for name, n in waiting.items() if n is not None}
        lists = [(name, key) for name in names for key in channel.keys_of(name)]
        pipe = publisher.client().pipeline(transaction=False)
        for _, key in lists:
            pipe.llen(key)
        found = dict.fromkeys(names, 0)
        for (name, _), length in zip(lists, pipe.execute() if lists else (), strict=True):
            found[name] += int(length)
    except Unavailable:
        raise
    except Exception as error:
        raise Unavailable(error, rest=()) from error
    return found


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None
