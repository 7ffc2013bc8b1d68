"""kombu's Redis transport for workers on a ledger: many messages a round trip, no redelivery by Redis.

The message of a durable job needs no acknowledgement on the server: the ledger gives the job to somebody
else if this worker dies. All other messages keep kombu's own bookkeeping to the letter.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Protocol

from kombu.transport import redis as stock
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps

from holdfast.broker.arrivals import Arrival, Origin, decoded, of_message, read
from holdfast.broker.messages import ticket_of
from holdfast.broker.orders import Order, order_of_settings
from holdfast.broker.seals import sealed

logger = logging.getLogger("holdfast.broker")
# A reply that took longer found the list empty: the message came alone.
ALONE_SECONDS = 0.005
# The server ends each wait for a message by itself, after a second. When its answer is so much later still, the
# connection is half-open: its far end is gone, and neither TCP nor a timeout says so while nothing is sent.
OVERDUE_SECONDS = 8.0
LOOK_SECONDS = 2.0


class Gate(Protocol):
    """What says how many more durable messages this process has room for."""

    def room(self) -> int:
        """Return how many more may be fetched."""

    def wants(self) -> bool:
        """Tell whether it is worth a round trip to fetch them now."""

    def idle(self) -> bool:
        """Tell that this process holds no durable message and no job."""

    def admits(self, arrival: Arrival, item: bytes, *, queue: str) -> bool:
        """Tell whether what has arrived may go on to the worker."""

    def take(self, ticket: dict[str, Any], *, channel: Any) -> bool:
        """Take the message of a ticket that was admitted; False: it is to go the way of all others."""

    def taken(self) -> None:
        """Hear that a fetch is over, and all that it brought has been offered."""


class Ear(Protocol):
    """What waits for a message of this process's own, which a fetch brings before all others."""

    key: str

    @property
    def asked(self) -> bool:
        """Whether a fetch is to ask for it."""

    def hear(self, item: bytes, *, queues: Sequence[str]) -> None:
        """Take it, with the queues that were asked in the same fetch."""

    def refuse(self, error: Exception) -> None:
        """Take note that the broker forbids to fetch it."""


class QoS(stock.QoS):
    """Leaves durable messages to the gate; all others are counted and kept on the server until acknowledged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tickets: set[str] = set()

    def can_consume(self) -> bool:
        gate = self.channel.gate
        return bool(super().can_consume()) and (gate is None or gate.wants())

    def room(self) -> int:
        """Return how many messages may still be delivered."""
        room = (self.prefetch_count or 1_000) - (len(self._delivered) - len(self._dirty))
        gate = self.channel.gate
        return room if gate is None else min(room, gate.room())

    def append(self, message: Any, delivery_tag: str) -> None:
        if ticket_of(message.headers) is None:
            super().append(message, delivery_tag)
        else:
            self._tickets.add(delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        if delivery_tag in self._tickets:
            self._tickets.discard(delivery_tag)
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if delivery_tag in self._tickets:
            self._tickets.discard(delivery_tag)
        else:
            super().reject(delivery_tag, requeue=requeue)


class Channel(stock.Channel):
    """Fetches as many messages as there is room for, highest priority first (9 before 0)."""

    QoS = QoS
    gate: Gate | None = None
    canary: Ear | None = None

    # kombu's own defaults wait for ever on a connection that is half-open, with all that the event loop does.
    socket_timeout = 5
    socket_connect_timeout = 5
    socket_keepalive = True

    _last_client: tuple[Any, Any] | None = None
    _asked: Sequence[str] = ()

    @cached_property
    def _order(self) -> Order | None:
        return order_of_settings()

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Return one client of the pool: kombu makes one for each message, which costs as much as the sending."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._last_client is None or self._last_client[0] is not self.pool:
            self._last_client = (self.pool, super()._create_client())
        return self._last_client[1]

    def keys_of(self, queue: str) -> list[str]:
        """Return the lists of a queue, most urgent first; the last one is the queue's plain name."""
        return [self._q_for_pri(queue, step) for step in reversed(self.priority_steps)]

    def _brpop_start(self, timeout: float | None = None) -> None:
        active = self.active_queues
        queues = self._order.of(active) if self._order else self._queue_cycle.consume(len(active))
        if not queues:
            return
        self._asked = queues
        lists = [self.keys_of(queue) for queue in queues]
        # With an order among queues each is asked as a whole; else a priority of all queues before the next one.
        steps = lists if self._order else zip(*lists, strict=True)
        keys = [key for step in steps for key in step]
        if self.canary is not None and self.canary.asked:
            # First: a list that is never empty would hide it.
            keys.insert(0, self.canary.key)
        self._in_poll = self.client.connection
        self._brpop_sent_at = stock.monotonic()
        self._send("BRPOP", *keys, self.brpop_timeout if timeout is None else timeout)

    def _brpop_read(self, **options: Any) -> bool:
        try:
            reply = self._read("BRPOP", **options)
            if not reply:
                raise stock.Empty
            key, first = bytes_to_str(reply[0]), reply[1]
            if self.canary is not None and key == self.canary.key:
                self.canary.hear(first, queues=self._asked)
                return True
            queue = key.rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            rest: list[bytes] = []
            try:
                room = self.qos.room() - 1
                if room > 0 and not self.closed and not self._came_alone():
                    self._send("RPOP", key, room)
                    rest = self._read("RPOP", **options) or []
            finally:
                # All at once, so that one claim takes them all; the first one is here, whatever became of the rest.
                if self._order:
                    self._order.took(queue, 1 + len(rest), asked=self._asked)
                for item in (first, *rest):
                    self._deliver(queue, item)
                if self.gate is not None:
                    self.gate.taken()
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _came_alone(self) -> bool:
        """Tell whether to spare the round trip for more: a worker with work may just have been late to read."""
        waited = stock.monotonic() - self._brpop_sent_at
        return waited > ALONE_SECONDS and self.gate is not None and self.gate.idle()

    def _send(self, *command: Any) -> None:
        if self.global_keyprefix:
            command = tuple(self.client._prefix_args(command))
        self.client.connection.send_command(*command)

    def _read(self, command: str, **options: Any) -> Any:
        try:
            return self.client.parse_response(self.client.connection, command, **options)
        except self.connection_errors:
            # What was popped and never arrived is missing from the broker: the ledger publishes it again.
            self.client.connection.disconnect()
            raise
        except self.ResponseError as error:
            if self.canary is None or not self.canary.asked or not is_forbidden(error):
                raise
            # It may be the canary's list alone: without it the next fetch shows.
            self.canary.refuse(error)
            raise stock.Empty from error

    def described(self) -> str:
        """Tell in one line what its connection does; from any thread."""
        connection = self._in_poll or getattr(self.__dict__.get("client"), "connection", None)
        sock = getattr(connection, "_sock", None)
        if sock is None:
            return "its connection is closed"
        if not self._in_poll or self._brpop_sent_at is None:
            return "connected, no fetch is under way"
        waited = stock.monotonic() - self._brpop_sent_at
        paused = sock.fileno() in self.connection.cycle._paused_brpop
        return (
            f"connected, a fetch of {list(self._asked)} is under way for {waited:.1f} s"
            f"{', and its answer is not read' if paused else ''}"
        )

    def cut(self) -> None:
        """Shut its connections down, from any thread: whoever waits for an answer on one sees its end."""
        for client in ("client", "subclient"):
            connection = getattr(self.__dict__.get(client), "connection", None)
            sock = getattr(connection, "_sock", None)
            # The descriptor is copied: the thread that waits stays the owner of its own.
            with (
                contextlib.suppress(OSError),
                socket.socket(fileno=os.dup(sock.fileno() if sock else -1)) as copy,
            ):
                copy.shutdown(socket.SHUT_RDWR)

    def _deliver(self, queue: str, item: bytes) -> None:
        arrival = read(item, queue=queue)
        if self.gate is not None and not self.gate.admits(arrival, item, queue=queue):
            return
        message = arrival.message
        if arrival.origin is Origin.TICKET:
            # Most of what comes: kombu and Celery would take longer to hand it on than all else that happens here.
            assert message is not None
            consumed = queue in self.connection._callbacks
            if consumed and self.gate is not None and self.gate.take(message, channel=self):
                return
        else:
            # Its types are made only now: the project's own code may take part in that.
            try:
                message = decoded(item)
            except Exception:
                logger.exception("Dropped what is not a message from queue %s: %.200r", queue, item)
                return
        self.connection._deliver(message, queue)

    def basic_consume(self, queue: str, *args: Any, **kwargs: Any) -> Any:
        """Consume; a message with many receivers comes by another way, and meets the gate there."""
        tag = super().basic_consume(queue, *args, **kwargs)
        if queue in self._fanout_queues:
            callbacks = self.connection._callbacks
            callbacks[queue] = partial(self._deliver_to_many, queue, callbacks[queue])
        return tag

    def _deliver_to_many(self, queue: str, deliver: Any, message: Any) -> None:
        exchange = self._fanout_queues[queue][0]
        arrival = of_message(message, place=exchange)
        item = b"" if self.gate is None else dumps(message).encode()
        if self.gate is None or self.gate.admits(arrival, item, queue=queue):
            deliver(message)

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        super()._put(queue, sealed(message, place=queue), **kwargs)

    def _put_fanout(
        self, exchange: str, message: dict[str, Any], routing_key: str, **kwargs: Any
    ) -> None:
        # Celery's events and control commands go this way too; nobody asks for their seal.
        if "task" in (message.get("headers") or ()):
            message = sealed(message, place=exchange)
        super()._put_fanout(exchange, message, routing_key, **kwargs)


def is_forbidden(error: Exception) -> bool:
    """Tell whether Redis says that the user may not use a key."""
    # By name: it may be of another broker, whose errors are of other modules.
    return type(error).__name__ == "NoPermissionError"


class Poller(stock.MultiChannelPoller):
    """Drops a connection that is half-open after seconds, where kombu takes up to 51."""

    def maybe_check_brpop_health(self) -> None:
        now = stock.monotonic()
        for channel in self._channels:
            connection, sent_at = channel._in_poll, channel._brpop_sent_at
            if not connection or sent_at is None or not channel.brpop_timeout:
                continue
            waited = now - sent_at
            # A process that was frozen is late itself: then the answer is there.
            if waited < channel.brpop_timeout + OVERDUE_SECONDS or _is_answered(connection):
                continue
            logger.warning("Redis has not answered for %.0f s: its connection is dropped", waited)
            connection.disconnect()


def _is_answered(connection: Any) -> bool:
    sock = getattr(connection, "_sock", None)
    if sock is None:
        return True
    look = select.poll()
    look.register(sock, select.POLLIN)
    return bool(look.poll(0))


class Transport(stock.Transport):
    """redis:// and rediss://, chosen by `holdfast.broker.connection`."""

    Channel = Channel
    _look: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        super().register_with_event_loop(connection, loop)
        if self._look is not None:
            self._look.cancel()
        self._look = loop.call_repeatedly(LOOK_SECONDS, self.cycle.maybe_check_brpop_health)


class SentinelChannel(Channel, stock.SentinelChannel):
    """The same on the master that the Sentinels name, asked anew at every connect."""

    sentinel_kwargs: Mapping[str, Any] | None = None

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        # redis-py would ask a Sentinel that is gone four times, with seconds in between, before it asks the next one;
        # and with options of the project's own it would wait for a silent one for ever.
        self.sentinel_kwargs = {
            "socket_timeout": self.socket_connect_timeout,
            "socket_connect_timeout": self.socket_connect_timeout,
            "retry": Retry(NoBackoff(), 0),
        } | dict(self.sentinel_kwargs or {})
        return super()._sentinel_managed_pool(asynchronous)


class SentinelTransport(Transport):
    """sentinel://, with one host or several."""

    default_port = stock.SentinelTransport.default_port
    Channel = SentinelChannel
