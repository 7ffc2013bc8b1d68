"""Sending while the broker is away, from forked processes, and in formats other than the usual one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction

import holdfast
from holdfast import Celery
from holdfast.testing.services import Mode, PostgresServer, RedisServer, TcpProxy
from tests.eventually import eventually
from tests.harness import Site, new_site

FIRST_SECONDS = 1.0
LATER_SECONDS = 0.05
HICCUPS = 5


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def own_redis(private_directory: Path) -> Iterator[RedisServer]:
    with RedisServer(private_directory / "redis") as server:
        yield server


def timed(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def assert_bounded(site: Site, how: str) -> None:
    """Send 41 jobs into the outage; the first finds it out, the others do not wait.

    Beside each of them one is held for an hour: its call commits too, and asks no broker.
    """
    effect, held = site.task("effect"), []
    first = timed(partial(effect.delay, f"{how} first"))
    later, usual = [], []
    for i in range(40):
        later.append(timed(partial(effect.delay, f"{how} {i}")))
        usual.append(timed(lambda: held.append(effect.apply_async(("held",), countdown=3600))))
    assert first <= FIRST_SECONDS
    # The disk may hold up some calls, a broker that is asked holds up all of one kind.
    assert sorted(later)[-1 - HICCUPS] <= max(usual) + LATER_SECONDS
    assert max(later) <= FIRST_SECONDS
    assert set(site.states().values()) <= {"held", "queued"}
    holdfast.cancel([job.id for job in held])


@pytest.mark.alone
@pytest.mark.parametrize(("kind", "warm"), [("sqlite", True), ("postgres", False)])
def test_calls_return_in_time_while_redis_refuses(
    kind: str, warm: bool, own_redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request, broker_url=own_redis.url) as site:
        if warm:
            site.task("effect").delay("before")
        own_redis.kill()

        assert_bounded(site, "refused")

        own_redis.start()
        worker = site.worker()
        began = time.monotonic()
        site.wait_all_final()
        assert time.monotonic() - began <= 10
        assert len([line for line in site.effects() if line.startswith("end")]) == 41 + warm
        worker.stop()


@pytest.mark.alone
@pytest.mark.parametrize(("kind", "warm"), [("sqlite", False), ("postgres", True)])
def test_calls_return_in_time_while_redis_is_silent(
    kind: str, warm: bool, own_redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    with (
        TcpProxy(own_redis.port) as proxy,
        new_site(kind, request, broker_url=proxy.url(own_redis.url)) as site,
    ):
        if warm:
            site.task("effect").delay("before")
        proxy.switch(Mode.BLACKHOLE)

        assert_bounded(site, "silent")

        # What is published while it comes back is published once: the ledger drops what comes twice.
        proxy.switch(Mode.PASS)
        site.worker()
        site.wait_all_final()
        assert set(site.effect_counts().values()) == {1}


@pytest.mark.alone
def test_first_call_returns_in_time_while_redis_answers_late(
    own_redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    with (
        TcpProxy(own_redis.port) as proxy,
        new_site("postgres", request, broker_url=proxy.url(own_redis.url)) as site,
    ):
        # Each answer is in time, but to open a connection takes many of them.
        proxy.switch(Mode.DELAY, delay_seconds=0.15)

        assert timed(partial(site.task("effect").delay, "late")) <= FIRST_SECONDS

        site.worker()
        site.wait_all_final()
        assert set(site.effect_counts().values()) == {1}


def test_sender_publishes_again_by_itself_after_an_outage(
    kind: str, own_redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request, broker_url=own_redis.url) as site:
        site.task("effect").delay("before")
        own_redis.kill()
        site.task("effect").delay("during")
        own_redis.start()

        eventually(lambda: site.app.outbox.publisher.available, within=5)
        sent = site.task("effect").delay("after")
        assert site.states()[sent.id] == "queued"


def test_transaction_commits_though_redis_is_full(
    kind: str, own_redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request, broker_url=own_redis.url) as site:
        site.redis().config_set("maxmemory", "1")
        with transaction.atomic(using=site.alias):
            site.task("effect").delay("full")
        assert list(site.states().values()) == ["held"]

        site.redis().config_set("maxmemory", "0")
        site.worker()
        site.wait_all_final()
        assert site.effects() == ["start full", "end full"]


def test_database_that_is_down_makes_the_call_fail(
    private_directory: Path, request: pytest.FixtureRequest
) -> None:
    with PostgresServer(private_directory) as server:
        url = server.create_database("jobs")
        with new_site("postgres", request, database_url=url) as site:
            server.stop(immediate=True)
            with pytest.raises(OperationalError):
                site.task("effect").delay("not recorded")
            server.start()
            connections[site.alias].close()
            assert site.states() == {}
            assert site.redis().llen("celery") == 0


@pytest.mark.short_on("postgres")
def test_forked_children_send_on_connections_of_their_own(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request) as site:
        site.python(
            """
tasks.effect.delay("parent before")
from django.db import connections
connections.close_all()
pids = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        for i in range(10):
            tasks.effect.delay(f"child {number} {i}")
        os._exit(0)
    pids.append(pid)
tasks.effect.delay("parent after")
assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0, 0]
"""
        )
        site.worker()
        site.wait_all_final(20)
        assert set(site.effect_counts().values()) == {1}
        assert len(site.effects()) == 2 * 32


@pytest.mark.short_on("sqlite")
def test_protocol_1_runs_and_pickle_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    with new_site(kind, request) as site:
        site.worker()
        site.python(
            "app.conf.task_protocol = 1\n"
            "tasks.effect.apply_async(('protocol 1',), countdown=0.3, expires=30)\n"
            "tasks.effect.apply_async(('too late',), countdown=0.3, expires=0.1)\n"
        )
        site.wait_all_final()
        assert site.effects() == ["start protocol 1", "end protocol 1"]
        assert site.counts() == {"succeeded": 1, "expired": 1}

        pickled = site.task("effect").apply_async(("pickled",), serializer="pickle")
        error = pickled.get(timeout=10, propagate=False)
        assert type(error).__name__ == "DecodeError"
        assert site.states()[pickled.id] == "dead"
        assert site.jobs()[pickled.id].reason == "undecodable"
        assert "start pickled" not in site.effects()


@pytest.mark.short_on("sqlite")
def test_unknown_task_is_dead_with_the_reason(kind: str, request: pytest.FixtureRequest) -> None:
    with new_site(kind, request) as site:
        site.worker()
        sent = site.app.send_task(
            "nobody.knows.it", (1,), link_error=site.task("failed").s("unknown")
        )

        error = sent.get(timeout=10, propagate=False)
        assert type(error).__name__ == "NotRegistered"
        assert site.jobs()[sent.id].reason == "unknown task"
        eventually(lambda: site.effects() == ["failed unknown NotRegistered"])


def test_job_sent_while_two_apps_share_a_process_goes_to_its_own_broker(
    own_redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    with new_site("sqlite", request) as site:
        second = Celery("second", broker=own_redis.url, set_as_current=False)

        @second.task(name="second.task", shared=False)
        def nothing() -> None:
            """Never run here."""

        sent = second.send_task("second.task")

        assert site.redis().llen("celery") == 0
        assert site.states()[sent.id] == "queued"


def test_most_urgent_job_is_fetched_first(request: pytest.FixtureRequest) -> None:
    with new_site("sqlite", request) as site:
        for priority in (0, 9, 3, 6, 9, 0):
            site.task("effect").apply_async((f"{priority}",), priority=priority)
        site.worker(concurrency=1)
        site.wait_all_final()

    starts = [line.split()[1] for line in site.effects() if line.startswith("start")]
    assert starts == ["9", "9", "6", "3", "0", "0"]
