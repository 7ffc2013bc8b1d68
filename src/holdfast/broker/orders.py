"""In which order a worker asks its queues, where the project wants another one than kombu's; one per connection.

A queue is emptied by its own priorities, 9 first, before the next one in the order is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from holdfast.conf import STRICT, get_settings


class Order(Protocol):
    """Says whom to ask first, and is told who gave how many messages."""

    def of(self, queues: Sequence[str]) -> list[str]:
        """Return the queues in the order in which they are to be asked now."""

    def took(self, queue: str, count: int, *, asked: Sequence[str]) -> None:
        """Note that so many messages came from a queue when they were asked in this order."""


class Strict:
    """The queues as the worker names them: the next one only while those before it are empty. It may starve them."""

    def of(self, queues: Sequence[str]) -> list[str]:
        return list(queues)

    def took(self, queue: str, count: int, *, asked: Sequence[str]) -> None:
        """Remember nothing."""


class Weighted:
    """Shares of the messages by weight among the queues that have some; none of them starves.

    Each queue has a clock that runs by messages over weight, and the one that is farthest behind is asked first. A
    queue that was empty has saved nothing up for later: its clock is set to that of the queue that was served.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self._clocks: dict[str, float] = {}

    def of(self, queues: Sequence[str]) -> list[str]:
        # A queue that is new here begins where the others are.
        begin = min((self._clocks[queue] for queue in queues if queue in self._clocks), default=0.0)
        for queue in queues:
            self._clocks.setdefault(queue, begin)
        return sorted(queues, key=lambda queue: self._clocks[queue])

    def took(self, queue: str, count: int, *, asked: Sequence[str]) -> None:
        here = self._clocks.get(queue, 0.0)
        for empty in asked[: asked.index(queue)] if queue in asked else ():
            self._clocks[empty] = max(self._clocks.get(empty, 0.0), here)
        self._clocks[queue] = here + count / self._weights.get(queue, 1.0)


def order_of_settings() -> Order | None:
    """Return the order the project asks for; None for kombu's own."""
    settings = get_settings()
    if settings.queue_weights:
        return Weighted(settings.queue_weights)
    return Strict() if settings.queue_order == STRICT else None
