"""What the broker really holds: the oldest tickets of a list, its length, and a full look in chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from holdfast.broker.messages import ticket_of
from holdfast.broker.publisher import Publisher, Unavailable

FIRST_PAGE = 200
PAGE = 2000


class Contents:
    """One queue's list of one priority, read without changing it."""

    def __init__(self, publisher: Publisher, *, queue: str, priority: int) -> None:
        try:
            self._client, channel = publisher.client(), publisher.channel()
        except Exception as error:
            raise Unavailable(error, rest=()) from error
        self._key = channel._q_for_pri(queue, priority) if channel else queue

    @property
    def readable(self) -> bool:
        """Whether this broker can be looked into; others can only be trusted."""
        return self._client is not None

    def length(self) -> int:
        """Count the messages, durable or not."""
        return int(self._ask("llen", self._key)) if self._client is not None else 0

    def pages(self) -> Iterator[list[tuple[str, int]]]:
        """Yield (id, token) of the durable messages in pages, from the end that is fetched next.

        What is fetched meanwhile shifts the rest towards that end: the pages overlap, so nothing is missed.
        """
        size, end = FIRST_PAGE, -1
        while True:
            items = self._ask("lrange", self._key, end - size + 1, end)
            yield list(reversed(list(_tickets(items))))
            if len(items) < size:
                return
            end -= size - size // 4
            size = PAGE

    def _ask(self, command: str, *arguments: Any) -> Any:
        try:
            return getattr(self._client, command)(*arguments)
        except Exception as error:  # every client library has its own tree of errors
            raise Unavailable(error, rest=()) from error


def _tickets(items: list[Any]) -> Iterator[tuple[str, int]]:
    for item in items:
        try:
            headers = json.loads(item).get("headers")
        except (ValueError, AttributeError, RecursionError):
            continue  # whoever takes it off the list says that it is no message
        ticket = ticket_of(headers)
        if ticket is not None:
            yield ticket
