"""Messages with many receivers come by another way than a list; they are sealed, and meet the gate, all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue

from holdfast import Celery
from holdfast.broker.arrivals import Arrival, Origin
from holdfast.testing.services import RedisServer
from tests import attacks
from tests.eventually import eventually
from tests.surroundings import shop_app

NEWS = Exchange("news", type="fanout")


class Gate:
    """A gate with room, which remembers what arrived and lets through what is ours."""

    def __init__(self) -> None:
        self.arrived: list[Origin] = []

    def room(self) -> int:
        return 10

    def wants(self) -> bool:
        return True

    def idle(self) -> bool:
        return True

    def admits(self, arrival: Arrival, item: bytes, *, queue: str) -> bool:
        self.arrived.append(arrival.origin)
        return arrival.origin is Origin.SEALED


@pytest.fixture
def app(redis_server: RedisServer) -> Iterator[Celery]:
    with shop_app(redis_server.url, number=13) as app:
        yield app


@pytest.fixture
def connection(app: Celery) -> Iterator[Connection]:
    with app.connection_for_read() as connection:
        yield connection


def test_message_with_many_receivers_is_sealed_and_meets_the_gate(
    app: Celery, connection: Connection
) -> None:
    gate, got = Gate(), list[Any]()
    channel = connection.channel()
    channel.gate = gate
    queue = Queue("news.of.this.worker", exchange=NEWS, auto_delete=True)
    consumer = Consumer(channel, [queue], callbacks=[lambda body, message: got.append(body)])
    consumer.consume()
    client: Any = app.outbox.publisher.client()

    def drained() -> bool:
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.2)
        return True

    eventually(lambda: drained() and client.pubsub_numpat() > 0, told="it listens")
    with app.connection_for_write() as sending:
        Producer(sending.channel()).publish(
            {"is": "ours"}, exchange=NEWS, declare=[NEWS], headers={"task": "a.b", "id": "1"}
        )
    eventually(lambda: drained() and len(gate.arrived) == 1, told="ours has arrived")
    (pattern,) = [name for name in _topics(channel) if "news" in name]
    client.publish(pattern, attacks.message("a.b", 1))
    client.publish(pattern, b'{"holdfast": "1:made up", "headers": {"task": "a.b"}}')
    client.publish(pattern, b'["no message"]')
    eventually(lambda: drained() and len(gate.arrived) == 4, told="the others have arrived")

    assert gate.arrived == [
        Origin.SEALED,
        Origin.UNSIGNED,
        Origin.FORGED_MESSAGE,
        Origin.MALFORMED,
    ]
    assert got == [{"is": "ours"}]


def _topics(channel: Any) -> list[str]:
    return [
        topic
        for queue in channel.active_fanout_queues
        for topic in channel._get_subscribe_topics(queue)
    ]
