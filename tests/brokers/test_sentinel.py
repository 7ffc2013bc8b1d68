"""Redis behind Sentinels: another server becomes the master while jobs are sent and run."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from redis import Redis

from holdfast.testing.services import SentinelGroup
from tests.brokers.conftest import Tell
from tests.brokers.jobs import assert_ended, send_of_each_kind
from tests.eventually import eventually
from tests.harness import Site, new_site

PRODUCER = """
path, stop = sys.argv[1:3]
number = 0
with open(path, "a", buffering=1) as calls:
    while not os.path.exists(stop):
        began = time.perf_counter()
        job = tasks.effect.delay(f"job {os.getpid()} {number}").id
        calls.write(f"{job} {time.perf_counter() - began}\\n")
        number += 1
        time.sleep(0.02)
"""
# P9: how long a call may take, and within what time of a new master all is published.
LONGEST_CALL = 1.0
PUBLISHED_AFTER = 10.0


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelGroup]:
    with SentinelGroup(tmp_path_factory.mktemp("sentinel")) as group:
        yield group


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.soak), "postgres"])
def site(group: SentinelGroup, request: pytest.FixtureRequest) -> Iterator[Site]:
    options = {"broker_transport_options": group.transport_options}
    with new_site(str(request.param), request, broker_url=group.url, celery=options) as site:
        yield site


def _unpublished(site: Site) -> list[str]:
    return [id for id, state in site.states().items() if state == "held"]


@pytest.mark.alone
@pytest.mark.chaos
def test_failover_loses_no_job_and_holds_up_no_call(
    site: Site, group: SentinelGroup, tell: Tell
) -> None:
    site.worker()
    calls, stop = site.directory / "calls.txt", site.directory / "stop"
    calls.touch()
    producers = [site.process(PRODUCER, str(calls), str(stop)) for _ in range(2)]
    eventually(lambda: len(calls.read_text().splitlines()) > 60)

    took = group.fail_over()
    back = time.monotonic()
    held = set(_unpublished(site))
    eventually(lambda: not held & set(_unpublished(site)), within=PUBLISHED_AFTER)
    published = time.monotonic() - back
    stop.touch()
    assert [producer.wait() for producer in producers] == [0, 0]

    site.wait_all_final()
    lines = [line.split() for line in calls.read_text().splitlines()]
    longest = max(float(seconds) for _, seconds in lines)
    tell(
        f"new master after {took:.1f} s, {len(held)} held jobs published {published:.1f} s later, "
        f"longest of {len(lines)} calls {longest * 1e3:.0f} ms"
    )
    assert held, "no job was sent while there was no master"
    assert site.counts(id__in=[id for id, _ in lines]) == {"succeeded": len(lines)}
    assert longest <= LONGEST_CALL
    # The one that was killed comes back as a replica, for the next time.
    (killed,) = (server for server in group.servers if not server.running)
    killed.start()
    eventually(lambda: killed.facts("replication")["role"] == "slave")


def test_jobs_of_each_kind_end_on_the_master_that_the_sentinels_name(
    group: SentinelGroup, request: pytest.FixtureRequest
) -> None:
    options = {"broker_transport_options": group.transport_options}
    with new_site("sqlite", request, broker_url=group.url, celery=options) as site:
        site.worker()
        assert_ended(site, send_of_each_kind(site))


@pytest.mark.alone
def test_sentinel_that_is_gone_holds_up_neither_call_nor_worker(
    group: SentinelGroup, request: pytest.FixtureRequest
) -> None:
    """The last test of the group: redis-py by itself asks it again and again before it asks the next one."""
    group.kill_sentinel(0)
    options = {"broker_transport_options": group.transport_options}
    with new_site("sqlite", request, broker_url=group.url, celery=options) as site:
        began = time.monotonic()
        sent = site.task("effect").delay("first of its process")
        took = time.monotonic() - began
        assert site.states()[sent.id] == "queued"
        assert took <= LONGEST_CALL

        worker = site.worker()
        site.wait_all_final()
        # Its connection broken, the worker turns to the next Sentinel, and stays on Holdfast's transport.
        Redis(port=group.master().port).client_kill_filter(_type="normal")
        worker.await_line("Connection to broker lost")
        again = site.task("effect").delay("after")
        assert again.get(timeout=60) == "after"
        assert worker.running
        later = site.task("effect").apply_many([(f"later {n}",) for n in range(20)])
        site.wait_all_final()
        assert site.counts() == {"succeeded": 2 + len(later)}
