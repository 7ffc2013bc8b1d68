"""What differs from pool to pool: greenlets share a process, threads cannot be stopped, solo runs in the main loop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import chain, chord
from django.db import connections

from holdfast.ledger import interventions
from holdfast.worker.lifeline import EXIT_LEASE_LOST
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import WorkerProcess, frozen

SLOTS = 20


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture
def gate(site: Site) -> Iterator[Path]:
    site.empty()
    gate = site.directory / "gate"
    gate.unlink(missing_ok=True)
    yield gate
    gate.touch()
    site.kill_workers()


def _started(site: Site, name: str) -> bool:
    return f"start {name}" in site.effects()


def _open_connections(site: Site) -> int:
    """Count what others than this test have open to the ledger's database, by the server's word."""
    with connections[site.alias].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


# -- gevent ---------------------------------------------------------------------------------------------


@pytest.mark.short_on("postgres")
def test_gevent_runs_many_waiting_jobs_at_once(site: Site, gate: Path) -> None:
    site.worker(pool="gevent", concurrency=SLOTS)
    sent = [site.task("wait_for_file").delay(str(gate), f"{i}") for i in range(SLOTS + 5)]

    eventually(lambda: sum(_started(site, f"{i}") for i in range(SLOTS + 5)) == SLOTS)
    gate.touch()
    for job in sent:
        job.get(timeout=60)

    assert set(site.effect_counts().values()) == {1}


def test_gevent_closes_what_its_jobs_opened(site: Site, gate: Path) -> None:
    if connections[site.alias].vendor == "sqlite":
        pytest.skip("nobody counts the connections to a file")
    site.worker(pool="gevent", concurrency=SLOTS)
    idle = _open_connections(site)
    most = 0

    for _ in range(10):
        site.task("noop").apply_many([()] * 100)
        while site.open_jobs():
            most = max(most, _open_connections(site))
    most = max(most, _open_connections(site))

    # A greenlet lives for one job: what it leaves open would add up to one connection a job.
    assert most <= idle + SLOTS + 5
    eventually(lambda: _open_connections(site) <= idle + 2)


def test_gevent_on_sqlite_says_what_it_cannot_do(site: Site, gate: Path) -> None:
    worker = site.worker(pool="gevent")

    on_sqlite = connections[site.alias].vendor == "sqlite"
    assert ("greenlets on SQLite" in worker.log_text()) == on_sqlite


@pytest.mark.short_on("sqlite")
def test_gevent_takes_the_next_jobs_without_waiting_for_a_turn_of_its_loop(
    site: Site, gate: Path
) -> None:
    site.worker(pool="gevent", concurrency=1)
    site.task("add").delay(1, 1).get(timeout=60)
    steps = [site.task("effect").si(f"step {i}", 0.05) for i in range(20)]

    began = time.monotonic()
    chord(steps, site.task("collect").s(), app=site.app).delay().get(timeout=60)

    # Its loop waits two seconds for a message; one such wait a job would be forty.
    assert time.monotonic() - began < 30


@pytest.mark.short_on("postgres")
def test_gevent_ends_an_attempt_whose_job_is_somebody_elses(site: Site, gate: Path) -> None:
    site.worker(pool="gevent", concurrency=2)
    sent = site.task("wait_for_file").apply_async(
        (str(gate), "taken"), link=site.task("after").s("taken")
    )
    eventually(lambda: _started(site, "taken"))

    # As if the broadcast to the workers had been lost: the audit of the heartbeat has to find it.
    interventions.cancel([sent.id], running=True)
    eventually(lambda: "has moved on" in site.log_tails(100))
    gate.touch()

    assert site.task("add").delay(1, 1).get(timeout=60) == 2
    site.wait_all_final()
    assert site.states()[sent.id] == "cancelled"
    assert not {"end taken", "after taken"} & set(site.effects())


@pytest.mark.short_on("postgres")
def test_gevent_worker_that_lost_its_lease_stops_its_jobs_and_goes_on(
    site: Site, gate: Path
) -> None:
    late = site.worker(pool="gevent", concurrency=2)
    sent = site.task("wait_for_file").delay(str(gate), "zombie")
    eventually(lambda: _started(site, "zombie"))

    with frozen(late, site.alias):
        heir = site.worker(pool="gevent", concurrency=2)
        eventually(lambda: site.effect_counts()["start zombie"] == 2)
    late.await_line("starts anew")
    eventually(lambda: late.lease() is not None)
    gate.touch()

    assert sent.get(timeout=60) == "zombie"
    heir.stop()
    assert site.task("add").delay(1, 1).get(timeout=60) == 2
    assert site.effect_counts()["end zombie"] == 1
    assert late.running


# -- threads --------------------------------------------------------------------------------------------


@pytest.mark.short_on("sqlite")
def test_threads_worker_that_lost_its_lease_leaves_with_code_75(site: Site, gate: Path) -> None:
    late = site.worker(pool="threads", concurrency=2)
    last = chain(
        site.task("wait_for_file").s(str(gate), "zombie"), site.task("after").s("zombie")
    ).apply_async()
    eventually(lambda: _started(site, "zombie"))

    with frozen(late, site.alias):
        site.worker(pool="threads", concurrency=2)
        eventually(lambda: site.effect_counts()["start zombie"] == 2)
    assert late.wait() == EXIT_LEASE_LOST == 75
    gate.touch()

    assert last.get(timeout=60) == "after zombie"
    site.wait_all_final()
    assert site.effect_counts() == {"start zombie": 2, "end zombie": 1, "after zombie": 1}


# -- solo -----------------------------------------------------------------------------------------------


@pytest.mark.short_on("sqlite")
def test_solo_worker_ends_its_job_and_hands_back_the_rest(site: Site, gate: Path) -> None:
    worker = site.worker(pool="solo", concurrency=1)
    running = site.task("wait_for_file").delay(str(gate), "running")
    eventually(lambda: _started(site, "running"))
    waiting = [site.task("effect").delay(f"waiting {i}") for i in range(5)]

    worker.signal(signal.SIGTERM)
    gate.touch()
    assert worker.wait() == 0

    assert site.states()[running.id] == "succeeded"
    assert "running" not in site.states().values()
    site.worker(pool="solo", concurrency=1)
    assert [job.get(timeout=60) for job in waiting] == [f"waiting {i}" for i in range(5)]
    assert set(site.effect_counts().values()) == {1}


# -- each of them ---------------------------------------------------------------------------------------

POOLS: dict[str, Callable[[Site], WorkerProcess]] = {
    "gevent": lambda site: site.worker(pool="gevent", concurrency=2),
    "threads": lambda site: site.worker(pool="threads", concurrency=2),
    "solo": lambda site: site.worker(pool="solo", concurrency=1),
}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.short_on("sqlite-gevent", "postgres-threads", "sqlite-solo")
def test_killed_worker_of_any_pool_loses_nothing(site: Site, gate: Path, pool: str) -> None:
    first = POOLS[pool](site)
    running = site.task("wait_for_file").delay(str(gate), "killed")
    eventually(lambda: _started(site, "killed"))
    waiting = [site.task("effect").delay(f"waiting {i}") for i in range(5)]

    first.kill()
    gate.touch()
    POOLS[pool](site)

    assert running.get(timeout=60) == "killed"
    for job in waiting:
        job.get(timeout=60)
    site.wait_all_final()
    counts = site.effect_counts()
    assert counts["start killed"] == 2
    assert counts["end killed"] == 1


@pytest.mark.short_on("postgres")
def test_job_cancelled_while_it_waits_for_a_thread_is_not_begun(site: Site, gate: Path) -> None:
    worker = site.worker(pool="threads", concurrency=2)
    for job in site.task("add").apply_many([(1, 1)] * 40):
        job.get(timeout=60)
    for name in ("a", "b"):
        site.task("wait_for_file").delay(str(gate), name)
    eventually(lambda: _started(site, "a") and _started(site, "b"))

    behind = [site.task("effect").delay(name).id for name in ("c", "d")]
    eventually(lambda: _reserved(site) >= set(behind), told="given to the pool")
    interventions.cancel(behind, running=True)
    told = [f"Job {id} has moved on" for id in behind]
    eventually(lambda: all(text in worker.log_text() for text in told), told="the audit noticed")
    gate.touch()

    last = site.task("effect").delay("last")
    last.get(timeout=60)
    assert _started(site, "last")
    assert not _started(site, "c")
    assert not _started(site, "d")


def _reserved(site: Site) -> set[str]:
    answers = site.app.control.inspect(timeout=1).reserved() or {}
    return {request["id"] for requests in answers.values() for request in requests}
