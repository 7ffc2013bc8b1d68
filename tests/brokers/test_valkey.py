"""Valkey in the place of Redis. It is part of `make test-brokers`, which brings one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.services import RedisServer
from tests.brokers.asked import needs
from tests.brokers.jobs import assert_ended, send_of_each_kind
from tests.eventually import eventually
from tests.harness import Site, new_site

pytestmark = needs("valkey")


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    found = shutil.which("valkey-server")
    assert found, "no valkey-server on the path: install it (Debian 13: apt install valkey-server)"
    with RedisServer(tmp_path_factory.mktemp("valkey"), binary=Path(found)) as server:
        assert server.facts()["server_name"] == "valkey"
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def site(valkey: RedisServer, request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request, broker_url=valkey.url) as site:
        site.redis().flushall()
        yield site


def test_jobs_of_each_kind_end_on_valkey(site: Site) -> None:
    site.worker()
    assert_ended(site, send_of_each_kind(site))


@pytest.mark.chaos
def test_wiped_valkey_and_killed_worker_lose_nothing(site: Site, valkey: RedisServer) -> None:
    sent = site.task("effect").apply_many([(f"job {n}", 0.01) for n in range(200)])
    worker = site.worker()
    eventually(lambda: len(site.effects()) > 20)
    worker.kill()
    site.redis().flushall()

    site.worker()

    site.wait_all_final()
    assert site.counts() == {"succeeded": len(sent)}
