"""Stops with a bound (`stop_seconds`): jobs that run longer are given back, also where none can be interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import WorkerProcess

pytestmark = pytest.mark.short_on("postgres-prefork", "sqlite-threads", "postgres-solo")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture(params=["prefork", "threads", "solo"])
def pool(request: pytest.FixtureRequest, site: Site) -> Iterator[str]:
    site.empty()
    yield str(request.param)
    site.kill_workers()


def _bounded(site: Site, pool: str, *, seconds: float) -> WorkerProcess:
    return site.worker(pool=pool, environment={"HOLDFAST_STOP_SECONDS": str(seconds)})


def test_job_that_runs_longer_than_the_stop_may_take_is_given_back_and_runs_again(
    site: Site, pool: str, tmp_path: Path
) -> None:
    worker, gate = _bounded(site, pool, seconds=1.0), tmp_path / "gate"
    sent = site.task("wait_for_file").delay(str(gate), "long")
    eventually(lambda: "start long" in site.effects())

    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.log_tail(40)

    row = site.jobs()[sent.id]
    assert site.states()[sent.id] == "queued", worker.log_tail(40)
    assert (row.failures, row.losses) == (0, 0)
    assert "what still runs is given back" in worker.log_text()
    gate.touch()
    site.worker()
    assert sent.get(timeout=60) == "long"
    assert site.effect_counts()["start long"] == 2


def test_job_that_ends_within_the_time_ends_the_worker_with_it(
    site: Site, pool: str, tmp_path: Path
) -> None:
    worker, gate = _bounded(site, pool, seconds=600.0), tmp_path / "gate"
    sent = site.task("wait_for_file").delay(str(gate), "short")
    eventually(lambda: "start short" in site.effects())

    worker.signal(signal.SIGTERM)
    gate.touch()
    assert worker.wait() == 0

    assert site.states()[sent.id] == "succeeded"
    assert "what still runs is given back" not in worker.log_text()
