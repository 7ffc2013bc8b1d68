"""A prefork worker that is stopped while a job is on its way into a pool process."""

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


def _is_handed_over(site: Site, job: str, log: str) -> bool:
    return site.jobs()[job].state == State.RUNNING and f"[{job}] received" in log
