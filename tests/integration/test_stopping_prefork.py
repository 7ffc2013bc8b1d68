"""A prefork worker that is stopped, or loses its broker, while a job is on its way into a pool process."""

from __future__ import annotations

import signal

import psutil
import pytest

from holdfast.ledger.states import State
from tests.eventually import eventually
from tests.harness import Site, new_site


# One that fits into a pipe, and one that is half-written when the worker is stopped.
@pytest.mark.parametrize(("database", "size"), [("sqlite", 10), ("postgres", 1_000_000)])
def test_job_on_its_way_into_a_process_runs_and_the_worker_leaves_at_once(
    database: str, size: int, request: pytest.FixtureRequest
) -> None:
    with new_site(database, request) as site:
        worker = site.worker(concurrency=1, loglevel="DEBUG")
        child = psutil.Process(worker.pids()[0])
        child.suspend()
        sent = site.task("told").delay("x" * size)
        eventually(lambda: _is_handed_over(site, sent.id, worker.log_text()))

        worker.signal(signal.SIGTERM)
        worker.await_line("1 jobs that are on their way")
        child.resume()

        # A process whose last end nobody reads waits for half a minute, one with half a job for ever.
        assert worker.wait(28) == 0, worker.log_tail(40)
        (row,) = site.jobs().values()
        assert (State(row.state), row.attempts) == (State.SUCCEEDED, 1)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_job_on_its_way_into_a_process_runs_once_though_the_connection_breaks(
    database: str, request: pytest.FixtureRequest
) -> None:
    with new_site(database, request) as site:
        worker = site.worker(concurrency=1, loglevel="DEBUG")
        child = psutil.Process(worker.pids()[0])
        child.suspend()
        sent = site.task("effect").delay("once")
        eventually(lambda: _is_handed_over(site, sent.id, worker.log_text()))

        site.redis().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        worker.await_line("1 jobs that are on their way")
        child.resume()

        # One whose end nobody reads would be given back, and run again.
        assert sent.get(timeout=60) == "once"
        site.task("effect").apply_async(("later",), countdown=4).get(timeout=60)
        assert site.effect_counts()["start once"] == 1
        assert site.jobs()[sent.id].attempts == 1


def _is_handed_over(site: Site, job: str, log: str) -> bool:
    return site.jobs()[job].state == State.RUNNING and f"[{job}] received" in log
