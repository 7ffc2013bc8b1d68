"""A canary comes by the very fetch that brings tickets, first of all, and leaves nothing behind; on a real Redis."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from holdfast import Celery
from holdfast.broker.canary import PREFIX, Canary
from holdfast.broker.publisher import Unavailable
from holdfast.broker.transport import Channel
from holdfast.testing.services import RedisServer
from tests.surroundings import current_app

QUEUES = ("first", "second")


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    url = f"{redis_server.url.rpartition('/')[0]}/12"
    redis.Redis.from_url(url).flushdb()
    return url


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def app(url: str) -> Iterator[Celery]:
    with current_app(url) as app:
        yield app


@contextlib.contextmanager
def fetching(app: Celery, canary: Canary) -> Iterator[Callable[[], list[str]]]:
    """Consume from both queues; what is given returns the bodies that the next fetches bring."""
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        assert isinstance(channel, Channel)
        channel.canary = canary
        came: list[str] = []
        for queue in QUEUES:
            app.amqp.queues[queue](channel).declare()
            channel.basic_consume(
                queue,
                no_ack=True,
                callback=lambda message: came.append(message.body.decode()),
                consumer_tag=queue,
            )

        def fetch() -> list[str]:
            came.clear()
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=3)
            return list(came)

        yield fetch


def test_canary_comes_before_a_backlog_and_vouches_for_all_queues(
    app: Celery, client: redis.Redis
) -> None:
    canary = Canary(app.outbox.publisher)
    with fetching(app, canary) as fetch, app.producer_pool.acquire() as producer:
        for queue in QUEUES:
            for number in range(3):
                producer.publish(str(number), routing_key=queue, exchange="")
        assert canary.send(kept_seconds=60)

        assert fetch() == []

        assert canary.last_heard is not None
        assert canary.last_heard.number == 1
        assert canary.last_heard.queues == set(QUEUES)
        assert canary.out_since is None
        # All others come as ever, and the canary's list is gone.
        came = fetch()
        while len(came) < 6:
            came += fetch() or pytest.fail(f"only {came} came")
        assert sorted(came) == sorted(2 * "012")
        assert client.keys(f"{PREFIX}*") == []


@pytest.mark.parametrize("prefix", ["", "site-"])
def test_list_of_a_worker_that_died_expires(url: str, client: redis.Redis, prefix: str) -> None:
    options = {"broker_transport_options": {"global_keyprefix": prefix}}
    with current_app(url, **options) as app:
        canary = Canary(app.outbox.publisher)
        for _ in range(3):
            assert canary.send(kept_seconds=60)

        key = f"{prefix}{canary.key}"
        assert client.llen(key) == 1
        assert 0 < client.pttl(key) <= 60_000
        with fetching(app, canary) as fetch:
            fetch()
        assert canary.last_heard is not None
        assert canary.last_heard.number == 3
        assert client.keys(f"*{PREFIX}*") == []


def test_only_the_newest_vouches_for_what_was_sent_since(app: Celery, client: redis.Redis) -> None:
    canary = Canary(app.outbox.publisher)
    with fetching(app, canary) as fetch:
        canary.send(kept_seconds=60)
        first_out = canary.out_since
        canary.send(kept_seconds=60)
        assert canary.out_since == first_out, "the oldest one counts"
        canary.hear(b"1", queues=QUEUES)
        assert canary.out_since is not None
        assert first_out is not None
        assert canary.out_since > first_out
        client.delete(canary.key)
        for nonsense in (b"", b"\xff", b"3", b"-1", b"{}"):
            client.lpush(canary.key, nonsense)
            fetch()
        assert canary.last_heard is not None
        assert canary.last_heard.number == 1
        canary.send(kept_seconds=60)
        fetch()
        assert canary.out_since is None


def test_canaries_take_one_connection(app: Celery, client: redis.Redis) -> None:
    newest = max(int(one["id"]) for one in client.client_list())
    canary = Canary(app.outbox.publisher)
    for _ in range(3):
        canary.send(kept_seconds=60)
    found = [one for one in client.client_list() if int(one["id"]) > newest and one["db"] == "12"]
    assert len(found) == 1


def test_broker_that_does_not_answer_takes_none() -> None:
    with current_app("redis://127.0.0.1:1/0") as app:
        canary = Canary(app.outbox.publisher)
        with pytest.raises(Unavailable):
            canary.send(kept_seconds=60)
        assert canary.out_since is None
        assert not canary.asked


@pytest.fixture
def limited(url: str, client: redis.Redis) -> Iterator[str]:
    """The address for a user who may use the queues alone."""
    keys = ("first*", "second*", "_kombu*", "unacked*")
    client.acl_setuser(
        "limited",
        enabled=True,
        passwords=["+secret"],
        keys=list(keys),
        channels=["*"],
        categories=["+@all"],
    )
    yield url.replace("redis://", "redis://limited:secret@")
    client.acl_deluser("limited")


def test_user_who_may_not_send_canaries_is_told_once(
    limited: str, caplog: pytest.LogCaptureFixture
) -> None:
    with current_app(limited) as app:
        canary = Canary(app.outbox.publisher)
        assert not canary.send(kept_seconds=60)
        assert not canary.send(kept_seconds=60)
        assert app.outbox.publisher.available
    assert caplog.text.count(f"Allow its user the keys {PREFIX}*") == 1


def test_user_who_may_not_fetch_canaries_fetches_all_else(
    app: Celery, limited: str, caplog: pytest.LogCaptureFixture
) -> None:
    canary = Canary(app.outbox.publisher)
    canary.send(kept_seconds=60)
    with current_app(limited) as reader, fetching(reader, canary) as fetch:
        with app.producer_pool.acquire() as producer:
            producer.publish("all else", routing_key="first", exchange="")
        assert fetch() == ["all else"]
    assert caplog.text.count(f"Allow its user the keys {PREFIX}*") == 1
    assert not canary.send(kept_seconds=60)
