"""A connection that stays on Holdfast's transport, also when it turns to another of several hosts; in every process."""

from __future__ import annotations

from typing import Any

import kombu

# By the scheme of a URL. What is not here is kombu's own transport.
OURS = {
    "redis": "holdfast.broker.transport:Transport",
    "rediss": "holdfast.broker.transport:Transport",
    "sentinel": "holdfast.broker.transport:SentinelTransport",
}


class Connection(kombu.Connection):
    """kombu's connection; for a Redis of any kind its transport is Holdfast's."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._take_ours()

    def switch(self, conn_str: str) -> None:
        """Turn to another host, whose URL would bring kombu's own transport along."""
        super().switch(conn_str)
        self._take_ours()

    def as_uri(self, *args: Any, **options: Any) -> str:
        """Return the address as people write it: logs show it, and Flower chooses by its scheme how to look."""
        address = str(super().as_uri(*args, **options))
        transport, _, rest = address.partition("://")
        if transport == OURS["sentinel"]:
            return f"sentinel://{rest}"
        if transport == OURS["redis"]:
            return f"{'rediss' if self.ssl else 'redis'}://{rest}"
        return address

    def _take_ours(self) -> None:
        name: Any = self.transport_cls
        self.transport_cls: Any = OURS.get(name, name)
