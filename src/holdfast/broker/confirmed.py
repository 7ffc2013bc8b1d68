"""AMQP with publisher confirms: tickets count as published once the broker has said so, many in one wait.

One channel of one connection, shared by the threads of a process, one of them at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from amqp.exceptions import NotFound
from kombu import Connection

from holdfast.broker.messages import BODY, headers_of
from holdfast.tickets import Ticket

# No queue has this name, so the broker confirms the message and drops it.
_NOWHERE = "holdfast.probe"


class NotConfirmed(Exception):
    """The broker refused tickets, has no queue for them, or did not answer in time."""


class ConfirmedChannel:
    """Puts tickets on their queues, declared first; what it raises says that some may not be there."""

    def __init__(self, connection: Connection, *, queues: Mapping[str, Any], wait: float) -> None:
        """Take an open connection, the queues that Celery knows, and the longest wait in seconds."""
        self._connection = connection
        self._queues = queues
        self._wait = wait
        self._lock = threading.Lock()
        self._declared: set[str] = set()
        self._last = 0
        self._open: set[int] = set()
        self._refused = 0
        self._returned: set[str] = set()
        channel = self._channel = connection.default_channel
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)

    def put(self, tickets: Sequence[Ticket]) -> None:
        """Put tickets on their queues; return once the broker has confirmed all of them.

        Raises:
            NotConfirmed: or an error of the connection. Any of the tickets may be there or not.
        """
        with self._alone() as deadline:
            self._put(tickets, deadline)
            if self._returned:
                # Somebody has deleted a queue since it was declared here.
                again = [ticket for ticket in tickets if ticket.queue in self._returned]
                self._declared -= self._returned
                self._put(again, deadline)
            if self._returned:
                names = ", ".join(sorted(self._returned))
                raise NotConfirmed(f"the broker has no queue {names}, though it was just declared")

    def probe(self) -> None:
        """Have the broker confirm a message to nowhere: one that blocks its publishers does not."""
        with self._alone() as deadline:
            self._publish(BODY, queue=_NOWHERE, mandatory=False)
            self._await_confirms(deadline)

    def waiting(self, queue: str) -> int:
        """Count the messages of a queue that no worker has fetched; a queue that is not there has none."""
        with self._alone():
            # On a channel of its own: where the queue is missing the broker closes it.
            channel = self._connection.channel()
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except NotFound:
                return 0
            finally:
                self._connection.maybe_close_channel(channel)

    @contextmanager
    def _alone(self) -> Iterator[float]:
        """Keep the other threads out; give the moment at which whoever is inside has waited long enough."""
        deadline = time.monotonic() + self._wait
        if not self._lock.acquire(timeout=self._wait):
            raise NotConfirmed("the broker keeps another thread of this process waiting")
        try:
            yield max(deadline, time.monotonic() + self._wait / 2)
        finally:
            self._lock.release()

    def _put(self, tickets: Sequence[Ticket], deadline: float) -> None:
        self._returned = set()
        for ticket in tickets:
            if ticket.queue not in self._declared:
                self._declare(ticket.queue)
            self._publish(
                BODY,
                queue=ticket.queue,
                mandatory=True,
                priority=ticket.priority,
                headers=headers_of(ticket),
                correlation_id=ticket.id,
            )
        self._await_confirms(deadline)

    def _declare(self, name: str) -> None:
        queue = self._queues[name]
        if not queue.no_declare:
            queue(self._channel).declare()
        self._declared.add(name)

    def _publish(
        self,
        body: str,
        *,
        queue: str,
        mandatory: bool,
        priority: int | None = None,
        headers: dict[str, Any] | None = None,
        **properties: Any,
    ) -> None:
        message = self._channel.prepare_message(
            body,
            priority=priority,
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            properties={"delivery_mode": 2, **properties},
        )
        self._last += 1
        self._open.add(self._last)
        self._channel.basic_publish(message, routing_key=queue, mandatory=mandatory)

    def _await_confirms(self, deadline: float) -> None:
        while self._open:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NotConfirmed(f"the broker has not confirmed {len(self._open)} messages")
            self._connection.drain_events(timeout=left)
        refused, self._refused = self._refused, 0
        if refused:
            raise NotConfirmed(f"the broker refused {refused} messages")

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._refused += self._settle(tag, multiple)

    def _settle(self, tag: int, multiple: bool) -> int:
        done = {open for open in self._open if open <= tag} if multiple else {tag}
        self._open -= done
        return len(done)

    def _on_return(self, error: Exception, exchange: str, queue: str, message: Any) -> None:
        del error, exchange, message
        self._returned.add(queue)
