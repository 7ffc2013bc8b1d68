"""A prefork worker that loses its broker while a job is in the pipe of a process that has not begun it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from holdfast.ledger.models import Job
from holdfast.ledger.states import State
from holdfast.testing.services import Mode, TcpProxy
from tests.eventually import eventually
from tests.harness import SHORT, Site, new_site
from tests.processes import WorkerProcess, unread_by

# Long enough for no frozen process to be ended meanwhile.
PATIENT = SHORT | {"lease_seconds": 60.0}


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# One that fits into a pipe, and one of which half is written when the connection breaks.
@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.short_on("sqlite")
def test_job_that_a_frozen_process_has_runs_once_though_the_broker_is_lost(
    database: str, size: int, proxied_broker: tuple[TcpProxy, str], request: pytest.FixtureRequest
) -> None:
    name, (proxy, url) = "x" * size, proxied_broker
    with new_site(database, request, broker_url=url, holdfast=PATIENT) as site:
        worker = site.worker(concurrency=1)
        with frozen_process(site, worker) as process:
            sent = site.task("effect").delay(name)
            eventually(
                lambda: unread_by(process.pid) >= min(size, 10_000),
                told="it has the job in its pipe",
            )
            proxy.switch(Mode.REFUSE)
            worker.await_line("Connection to broker lost")
            proxy.switch(Mode.PASS)
            if size < 1000:
                await_reconnected(worker)

        assert sent.get(timeout=60) == name
        assert site.effect_counts()[f"start {name}"] == 1
        assert ran_once(site.jobs()[sent.id])
        # The process is free again.
        assert site.task("effect").delay("later").get(timeout=60) == "later"
        assert worker.pids() == [process.pid]


@pytest.mark.short_on("postgres")
def test_process_that_stays_frozen_is_ended_and_its_job_runs_in_another_one(
    database: str, proxied_broker: tuple[TcpProxy, str], request: pytest.FixtureRequest
) -> None:
    proxy, url = proxied_broker
    with new_site(database, request, broker_url=url) as site:
        worker = site.worker(concurrency=1)
        with frozen_process(site, worker) as process:
            sent = site.task("effect").delay("moved")
            eventually(lambda: unread_by(process.pid), told="it has the job in its pipe")
            lose_connection(proxy, worker)

            assert sent.get(timeout=60) == "moved"

        worker.await_line(f"Process {process.pid} of job {sent.id} has been stopped")
        assert site.effect_counts()["start moved"] == 1
        # It never began there: no attempt was lost.
        assert ran_once(site.jobs()[sent.id])


@pytest.mark.short_on("sqlite")
def test_worker_that_stops_after_it_has_lost_its_broker_runs_the_job_once(
    database: str, proxied_broker: tuple[TcpProxy, str], request: pytest.FixtureRequest
) -> None:
    proxy, url = proxied_broker
    with new_site(database, request, broker_url=url, holdfast=PATIENT) as site:
        worker = site.worker(concurrency=1, loglevel="DEBUG")
        with frozen_process(site, worker) as process:
            sent = site.task("effect").delay("stopped")
            eventually(lambda: unread_by(process.pid), told="it has the job in its pipe")
            lose_connection(proxy, worker)

            worker.signal(signal.SIGTERM)
            worker.await_line("1 jobs that are on their way")

        assert worker.wait(60) == 0, worker.log_tail(40)
        assert site.effect_counts()["start stopped"] == 1
        assert ran_once(site.jobs()[sent.id])


@contextmanager
def frozen_process(site: Site, worker: WorkerProcess) -> Iterator[psutil.Process]:
    """Stop the one process of a worker's pool, and let it go on at the end, if it is there still."""
    # One that has not said yet that it is there is given no job.
    assert site.task("add").delay(1, 1).get(timeout=60) == 2
    process = psutil.Process(worker.pids()[0])
    process.suspend()
    try:
        yield process
    finally:
        if process.is_running():
            process.resume()


def lose_connection(proxy: TcpProxy, worker: WorkerProcess) -> None:
    # All of them: on the one that fetches nothing is read while all slots are taken.
    proxy.cut()
    await_reconnected(worker)


def await_reconnected(worker: WorkerProcess) -> None:
    eventually(lambda: worker.log_text().count("Connected to ") > 1, told="it is connected again")


def ran_once(job: Job) -> bool:
    return (State(job.state), job.attempts, job.losses) == (State.SUCCEEDED, 1, 0)
