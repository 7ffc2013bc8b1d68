"""Puts tickets on the broker, bounded in time; after a failure it stops asking until a probe says the broker is back.

One per process and app. Callers never wait for a broker that is down: their job is in the ledger, and the
relay publishes it later.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from celery import Celery
from kombu import Connection

from holdfast.broker.confirmed import ConfirmedChannel, NotConfirmed
from holdfast.broker.messages import BODY, encode, headers_of
from holdfast.broker.pushing import Pusher
from holdfast.broker.transport import Channel
from holdfast.conf import get_settings
from holdfast.interruptions import let_out_interruption
from holdfast.tickets import Ticket

logger = logging.getLogger("holdfast.broker")
CHUNK = 500
PROBE_SECONDS = 0.5
# The first tickets of a process wait for a connection and for an answer.
FIRST_WAITS = 2


class Unavailable(Exception):
    """The broker did not take all tickets in time; `rest` are not on it, or nobody knows."""

    def __init__(self, cause: BaseException | str, *, rest: Sequence[Ticket]) -> None:
        super().__init__(str(cause))
        self.rest = rest


class Publisher:
    """A connection of its own with short timeouts, and the memory of whether the broker answers."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._lock = threading.Lock()
        # Of whoever opens a connection: nobody else waits for it who has the other one.
        self._opening = threading.Lock()
        self._pid = os.getpid()
        self._connection: Connection | None = None
        self._channel: Any = None
        self._client: Any = None
        self._pusher: Pusher | None = None
        self._confirmed: ConfirmedChannel | None = None
        self._misses = 0
        self._prober: threading.Thread | None = None
        self.available = True

    def publish(self, tickets: Sequence[Ticket]) -> None:
        """Put tickets on their queues.

        Raises:
            Unavailable: with those that are not on the broker, or of which nobody knows.
        """
        self._after_fork()
        if not self.available:
            raise Unavailable("the broker did not answer a moment ago", rest=tickets)
        done = 0
        try:
            for chunk in _chunks(tickets, CHUNK):
                if self._is_open():
                    self._put(chunk)
                else:
                    # To open a connection takes many round trips, each within its time, and the caller waits for all.
                    _within(FIRST_WAITS * _wait(), partial(self._put, chunk))
                done += len(chunk)
        except Exception as error:  # every client library has its own tree of errors
            self._let_out_interruption(error)
            self._break(error)
            raise Unavailable(error, rest=tickets[done:]) from error

    def client(self) -> Any:
        """Return the Redis client, connected within the publish timeout; None on another broker."""
        self._after_fork()
        with self._opening:
            if self._connection is None:
                self._connect()
            return self._client

    def channel(self) -> Channel | None:
        """Return the channel that knows the names of the lists; None on a broker that is not Redis."""
        self.client()
        channel = self._channel
        return channel if isinstance(channel, Channel) else None

    def close(self, *, broken: bool = False) -> None:
        """Close the connection; the next publish opens a fresh one. One that is broken is not said goodbye to."""
        with self._lock:
            confirmed = self._confirmed
            connection, self._connection = self._connection, None
            self._channel = self._client = self._pusher = self._confirmed = None
        if connection is not None:
            try:
                if broken and confirmed is not None:
                    # AMQP waits for an answer, here from somebody who gives none.
                    connection.collect()
                else:
                    connection.release()
            except Exception as error:  # a broken socket may refuse to be closed
                let_out_interruption(error)
                logger.debug("closing the publisher's connection failed", exc_info=True)

    def waiting(self, queue: str) -> int | None:
        """Count the messages of a queue that no worker has fetched, on a broker that can do no more; None on others.

        Raises:
            Unavailable: the broker does not say.
        """
        try:
            if self.client() is not None or self._confirmed is None:
                return None
            return self._confirmed.waiting(queue)
        except Exception as error:
            self._let_out_interruption(error)
            self.close(broken=True)
            raise Unavailable(error, rest=()) from error

    def _connect(self) -> None:
        wait = _wait()
        # No heartbeats: nobody would send them between two calls, and RabbitMQ would cut the connection.
        connection = self.app.connection_for_write(connect_timeout=wait, heartbeat=0)
        connection.transport_options = _impatient(connection, wait)
        # The broker may have several hosts, and each connection begins with the first one.
        for _ in range(self._misses % max(1, len(connection.alt))):
            connection.maybe_switch_next()
        try:
            channel = connection.default_channel
        except Exception:
            self._misses += 1
            raise
        client = pusher = confirmed = None
        if isinstance(channel, Channel):
            client = channel.Client(connection_pool=channel.pool)
            # To open the channel it was asked by a connection of another pool, which nobody uses from now on.
            channel.async_pool.disconnect()
            pusher = Pusher(channel.pool, prefix=channel.global_keyprefix)
        elif connection.transport.driver_name == "py-amqp":
            confirmed = ConfirmedChannel(connection, queues=self.app.amqp.queues, wait=wait)
        with self._lock:
            self._client, self._pusher, self._confirmed = client, pusher, confirmed
            self._connection, self._channel = connection, channel

    def _is_open(self) -> bool:
        pusher = self._pusher
        return self._connection is not None if pusher is None else pusher.is_open()

    def _put(self, tickets: Sequence[Ticket]) -> None:
        idle = self._connection
        with self._opening:
            if self._connection is None:
                self._connect()
            pusher, channel = self._pusher, self._channel
        if pusher is None:
            if self._confirmed is None:
                self._put_by_kombu(tickets)
            else:
                self._put_confirmed(tickets, idle=idle is not None)
            return
        places: dict[tuple[str, int], list[str]] = defaultdict(list)
        for ticket in tickets:
            places[ticket[3:]].append(encode(ticket))
        pusher.push({channel._q_for_pri(*place): found for place, found in places.items()})

    def _put_confirmed(self, tickets: Sequence[Ticket], *, idle: bool) -> None:
        assert self._confirmed is not None
        try:
            self._confirmed.put(tickets)
        except (NotConfirmed, TimeoutError):
            raise
        except Exception as error:
            let_out_interruption(error)
            if not idle:
                raise
            # The broker may have been restarted since the last call, which nobody was there to see. What is there
            # twice runs once.
            self.close(broken=True)
            self.client()
            if self._confirmed is None:
                raise
            self._confirmed.put(tickets)

    def _put_by_kombu(self, tickets: Iterable[Ticket]) -> None:
        with self.app.producer_pool.acquire(block=True) as producer:
            for ticket in tickets:
                producer.publish(
                    BODY,
                    routing_key=ticket.queue,
                    exchange="",
                    headers=headers_of(ticket),
                    content_type="application/json",
                    content_encoding="utf-8",
                    correlation_id=ticket.id,
                    priority=ticket.priority,
                    declare=[self.app.amqp.queues[ticket.queue]],
                    retry=False,
                )

    def _break(self, error: BaseException) -> None:
        logger.warning(
            "The broker does not take messages (%s): jobs stay in the ledger until it is back",
            f"it is a Redis Cluster, which no worker can use: {error}"
            if _of_cluster(error)
            else error,
        )
        self.close(broken=True)
        with self._lock:
            self.available = False
            if self._prober is None or not self._prober.is_alive():
                self._prober = threading.Thread(
                    target=self._probe, name="holdfast-broker-probe", daemon=True
                )
                self._prober.start()

    def _probe(self) -> None:
        while not self.available:
            time.sleep(PROBE_SECONDS)
            if self.is_reachable():
                self.available = True
                logger.warning("The broker takes messages again")

    def is_reachable(self) -> bool:
        """Ask the broker now, within the publish timeout; a full or read-only one counts as unreachable."""
        try:
            client = self.client()
            if client is not None:
                # A write, because a broker that is full or a replica still answers PING.
                client.set("holdfast:probe", "1", px=1000)
            elif self._confirmed is not None:
                self._confirmed.probe()
            return True
        except Exception as error:
            self._let_out_interruption(error)
            self.close(broken=True)
            return False

    def _let_out_interruption(self, error: Exception) -> None:
        try:
            let_out_interruption(error)
        except BaseException:
            # An answer that was not read would be taken for that of the next question. The broker is well all the same.
            self.close(broken=True)
            raise

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            # The parent's socket must not be written to from two processes.
            self._pid = os.getpid()
            self._lock, self._opening = threading.Lock(), threading.Lock()
            self._connection = self._channel = self._client = self._prober = None
            self._pusher = self._confirmed = None
            self.available = True


def _of_cluster(error: BaseException) -> bool:
    """Tell whether only a Redis Cluster answers like this."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"AskError", "ClusterError", "ClusterCrossSlotError"}) or (
        "in cluster mode" in str(error)
    )


def _wait() -> float:
    """Return how long each wait for the broker may take."""
    return get_settings().publish_timeout_seconds * 0.9


def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do work that goes on when nobody waits for it any more.

    Raises:
        TimeoutError: it takes longer. What it does later is done twice then, which the ledger sees.
    """
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # whoever waits raises it
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=run, name="holdfast-broker-opening", daemon=True).start()
    try:
        outcome.result(seconds)
    except TimeoutError as error:
        if outcome.done():
            raise
        raise TimeoutError(f"no connection to the broker within {seconds:.1f} s") from error


def _impatient(connection: Connection, wait: float) -> dict[str, Any]:
    """Return the project's own options with short waits, by the names of each transport."""
    options = dict(connection.transport_options or {})
    # The Sentinels together may take as long as the master that they name.
    each = wait / max(1, len(connection.alt))
    sentinels = {"socket_timeout": each, "socket_connect_timeout": each}
    return options | {
        "socket_timeout": wait,
        "socket_connect_timeout": wait,
        "retry_on_timeout": False,
        "sentinel_kwargs": dict(options.get("sentinel_kwargs") or {}) | sentinels,
        "read_timeout": wait,
        "write_timeout": wait,
        # One wait for all tickets, not one for each.
        "confirm_publish": False,
        # kombu would wait two seconds and ask again, while a caller waits.
        "max_retries": 0,
    }


def _chunks(tickets: Sequence[Ticket], size: int) -> Iterable[Sequence[Ticket]]:
    for start in range(0, len(tickets), size):
        yield tickets[start : start + size]
