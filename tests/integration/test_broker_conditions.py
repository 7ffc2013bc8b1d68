"""A Redis that answers, and yet is no place to keep anything: it evicts, refuses writes, or is asked only once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import chain

from holdfast.testing.services import RedisServer, free_port
from tests.eventually import eventually
from tests.harness import Site, new_site


@pytest.fixture
def own_redis(private_directory: Path) -> Iterator[RedisServer]:
    with RedisServer(private_directory / "redis") as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def site(own_redis: RedisServer, request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request, broker_url=own_redis.url) as site:
        yield site


def _fill_until_evicted(site: Site, key: str) -> None:
    """Write into a Redis that may throw anything away, until it has thrown this key away."""
    client = site.redis()
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", used + 300_000)
    filler = "x" * 1000
    for number in range(50_000):
        client.set(f"filler {number}", filler)
        if number % 20 == 0 and not client.exists(key):
            return
    raise AssertionError(f"{key} was not evicted")


@pytest.mark.short_on("postgres")
def test_tickets_that_redis_evicted_are_published_again(site: Site) -> None:
    sent = site.task("effect").apply_many([(f"job {i}",) for i in range(200)])
    assert site.redis().llen("celery") == 200

    _fill_until_evicted(site, "celery")
    assert set(site.states().values()) == {"queued"}
    site.worker()

    site.wait_all_final()
    assert {job.id for job in sent} == set(site.states())
    assert site.counts() == {"succeeded": 200}
    assert {n for line, n in site.effect_counts().items()} == {1}


@pytest.mark.short_on("sqlite")
def test_jobs_wait_for_a_redis_that_became_read_only(site: Site) -> None:
    worker = site.worker()
    site.task("add").delay(1, 1).get(timeout=60)
    client = site.redis()
    client.replicaof("127.0.0.1", free_port())

    during = [site.task("effect").delay(f"during {i}") for i in range(10)]
    late = site.task("effect").apply_async(("late",), countdown=1)
    steps = chain(site.task("add").si(1, 1), site.task("effect").si("last"), app=site.app).delay()
    assert set(site.states(task="tests.project.tasks.effect").values()) == {"held"}
    # Long enough for the worker to have met it: its own fetches are writes.
    worker.await_line("read only replica")
    client.replicaof("NO", "ONE")

    for job in (*during, late, steps):
        job.get(timeout=60)
    site.wait_all_final()
    assert worker.running
    assert {n for line, n in site.effect_counts().items()} == {1}


@pytest.mark.short_on("sqlite")
def test_worker_that_starts_on_a_full_redis_takes_the_jobs_once_there_is_room(site: Site) -> None:
    sent = site.task("effect").apply_many([(f"job {i}",) for i in range(20)])
    client = site.redis()
    client.config_set("maxmemory", "1")

    worker = site.worker(wait=False)
    worker.await_line("used memory > 'maxmemory'")
    client.config_set("maxmemory", "0")

    for job in sent:
        job.get(timeout=60)
    assert worker.running


@pytest.mark.short_on("postgres")
def test_worker_that_runs_empties_a_full_redis(site: Site) -> None:
    gate = site.directory / "gate"
    site.worker(concurrency=1)
    site.task("wait_for_file").delay(str(gate), "first")
    eventually(lambda: "start first" in site.effects())
    site.task("noop").apply_many([()] * 300)
    client = site.redis()
    client.config_set("maxmemory", "1")
    assert client.llen("celery") > 200

    gate.touch()

    site.wait_all_final()
    assert site.counts() == {"succeeded": 301}


def test_worker_ends_at_the_first_lost_connection_if_it_may_retry_zero_times(
    own_redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    """The reason for the check `holdfast.W006`: Celery's own pages say that 0 is for ever."""
    with new_site("sqlite", request, broker_url=own_redis.url) as site:
        gives_up = site.worker("--", "broker.connection_max_retries=0")
        goes_on = site.worker()
        own_redis.kill()

        assert gives_up.wait() == 1
        own_redis.start()
        site.task("add").delay(1, 1).get(timeout=60)
        assert goes_on.running
