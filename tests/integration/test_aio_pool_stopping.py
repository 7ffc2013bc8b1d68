"""Workers with the asyncio pool that are stopped, or lose their lease: what runs ends, or goes back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import chain

from holdfast.worker.lifeline import EXIT_LEASE_LOST
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import WorkerProcess, frozen
from tests.project.coroutines import AIO


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request, environment=AIO) as site:
        yield site


@pytest.fixture
def worker(site: Site) -> Iterator[WorkerProcess]:
    """A worker for one test, which stops it."""
    site.empty()
    yield site.worker(pool="custom", concurrency=4)
    site.kill_workers()


@pytest.fixture
def gate(site: Site) -> Iterator[Path]:
    gate = site.directory / "gate"
    gate.unlink(missing_ok=True)
    yield gate
    gate.touch()


def _started(site: Site, name: str) -> bool:
    return f"start {name}" in site.effects()


@pytest.mark.short_on("postgres")
def test_warm_stop_finishes_what_runs_and_hands_back_the_rest(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    running = [site.task("await_file").delay(str(gate), f"running {i}") for i in range(4)]
    eventually(lambda: all(_started(site, f"running {i}") for i in range(4)))
    waiting = [site.task("aeffect").delay(f"waiting {i}") for i in range(5)]

    worker.signal(signal.SIGTERM)
    worker.await_line("Warm shutdown")
    gate.touch()
    assert worker.wait() == 0

    states = site.states()
    assert [states[sent.id] for sent in running] == ["succeeded"] * 4
    assert {(job.losses, job.failures) for job in site.jobs().values()} == {(0, 0)}
    assert "running" not in states.values()
    site.worker(pool="custom", concurrency=4)
    assert [job.get(timeout=60) for job in waiting] == [f"waiting {i}" for i in range(5)]
    assert set(site.effect_counts().values()) == {1}


@pytest.mark.short_on("sqlite")
def test_stop_that_is_bounded_in_time_gives_back_what_takes_longer(site: Site, gate: Path) -> None:
    site.empty()
    worker = site.worker("--", "worker_soft_shutdown_timeout=1.0", pool="custom", concurrency=4)
    short = site.task("aeffect").delay("short", 0.3)
    long = site.task("await_file").delay(str(gate), "long")
    eventually(lambda: _started(site, "short") and _started(site, "long"))

    worker.signal(signal.SIGQUIT)
    worker.wait()

    assert site.states()[short.id] == "succeeded"
    assert "cancelled long" in site.effects()
    row = site.jobs()[long.id]
    assert (row.failures, row.losses) == (0, 0)
    assert site.states()[long.id] == "queued"
    site.kill_workers()


@pytest.mark.short_on("sqlite")
def test_cold_stop_cancels_coroutines_and_gives_their_jobs_back(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    sent = site.task("await_file").delay(str(gate), "cold")
    eventually(lambda: _started(site, "cold"))

    worker.signal(signal.SIGQUIT)
    worker.wait()
    assert "cancelled cold" in site.effects()
    site.worker(pool="custom", concurrency=4)
    eventually(lambda: site.effect_counts()["start cold"] == 2)
    gate.touch()

    assert sent.get(timeout=60) == "cold"
    assert (site.jobs()[sent.id].failures, site.jobs()[sent.id].losses) == (0, 0), worker.log_tail(
        60
    )


@pytest.mark.short_on("postgres")
def test_worker_that_lost_its_lease_cancels_its_coroutines_and_goes_on(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    last = chain(
        site.task("await_file").s(str(gate), "zombie"), site.task("after").s("zombie")
    ).apply_async()
    eventually(lambda: _started(site, "zombie"))

    with frozen(worker, site.alias):
        heir = site.worker(pool="custom", concurrency=4)
        eventually(lambda: site.effect_counts()["start zombie"] == 2)
    eventually(lambda: "cancelled zombie" in site.effects())
    gate.touch()

    assert last.get(timeout=60) == "after zombie"
    heir.stop()
    assert site.task("aeffect").delay("next").get(timeout=60) == "next"
    assert worker.running
    assert site.effect_counts()["end zombie"] == site.effect_counts()["after zombie"] == 1


@pytest.mark.short_on("sqlite")
def test_worker_that_lost_its_lease_leaves_if_a_sync_body_runs(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    sent = site.task("wait_for_file").delay(str(gate), "thread")
    eventually(lambda: _started(site, "thread"))

    with frozen(worker, site.alias):
        site.worker(pool="custom", concurrency=4)
        eventually(lambda: site.effect_counts()["start thread"] == 2)
    assert worker.wait() == EXIT_LEASE_LOST
    gate.touch()

    assert sent.get(timeout=60) == "thread"
