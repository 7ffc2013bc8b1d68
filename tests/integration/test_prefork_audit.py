"""What a prefork worker ends because the ledger says that it is not its own any more, and what it does not end."""

from __future__ import annotations

from datetime import timedelta

import psutil
import pytest

import holdfast
from holdfast.ledger.states import State
from holdfast.testing.services import Mode, TcpProxy
from tests.eventually import eventually
from tests.harness import SHORT, new_site
from tests.processes import WorkerProcess

MOVED_ON = "has moved on: its attempt here is stopped"
# In which the audit has looked at every attempt twice: it spares one for two seconds after its claim.
AUDITED = timedelta(seconds=2 + 3 * 0.4 * SHORT["lease_seconds"])


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.short_on("sqlite")
def test_process_whose_end_is_not_read_yet_is_not_taken_for_one_that_goes_on(
    database: str, request: pytest.FixtureRequest
) -> None:
    with new_site(database, request) as site:
        worker = site.worker("-I", "tests.project.hanging", concurrency=1)
        processes = worker.pids()
        gate = site.directory / "gate"
        # One that sends something on is ended by its process.
        link = site.task("after").s("linked")
        sent = site.task("wait_for_file").apply_async((str(gate), "job"), link=link)
        site.await_effect("start job")
        site.app.control.broadcast("hang", arguments={"how": "waits_for_a_file"}, reply=False)
        site.await_effect("the loop waits")

        gate.touch()
        eventually(lambda: site.jobs()[sent.id].state == State.SUCCEEDED, told="it has ended")
        await_audited(worker)
        (site.directory / "go on").touch()

        site.await_effect("after linked")
        assert site.task("effect").delay("later").get(timeout=60) == "later"
        assert MOVED_ON not in worker.log_text()
        assert worker.pids() == processes


@pytest.mark.short_on("postgres")
def test_cancelled_job_is_ended_while_its_worker_has_no_broker(
    database: str, proxied_broker: tuple[TcpProxy, str], request: pytest.FixtureRequest
) -> None:
    proxy, url = proxied_broker
    with new_site(database, request, broker_url=url) as site:
        worker = site.worker(concurrency=1)
        process = psutil.Process(worker.pids()[0])
        sent = site.task("wait_for_file").delay(str(site.directory / "never"), "cancelled")
        site.await_effect("start cancelled")
        proxy.switch(Mode.REFUSE)
        worker.await_line("Connection to broker lost")

        holdfast.cancel(sent.id)

        eventually(lambda: is_over(process), told="its process is ended")
        worker.await_line(f"Job {sent.id} {MOVED_ON}")
        proxy.switch(Mode.PASS)
        assert site.task("effect").delay("later").get(timeout=60) == "later"
        assert site.effect_counts()["start cancelled"] == 1
        assert "end cancelled" not in site.effects()


@pytest.mark.short_on("sqlite")
def test_job_in_the_pipe_of_a_frozen_process_does_not_begin_once_it_is_cancelled(
    database: str, request: pytest.FixtureRequest
) -> None:
    # A lease so long that nothing is ended for being frozen.
    with new_site(database, request, holdfast=SHORT | {"lease_seconds": 10.0}) as site:
        worker = site.worker(concurrency=1)
        assert site.task("add").delay(1, 1).get(timeout=60) == 2
        process = psutil.Process(worker.pids()[0])
        process.suspend()
        sent = site.task("effect").delay("cancelled")
        eventually(lambda: site.jobs()[sent.id].state == State.RUNNING, told="it is claimed")

        holdfast.cancel(sent.id)
        worker.await_line(f"Job {sent.id} {MOVED_ON}")

        eventually(lambda: is_over(process), told="its process is ended")
        assert site.task("effect").delay("later").get(timeout=60) == "later"
        assert "start cancelled" not in site.effects()


def await_audited(worker: WorkerProcess) -> None:
    lease = worker.lease()
    assert lease is not None
    until = lease.lease_until + AUDITED
    eventually(lambda: (now := worker.lease()) and now.lease_until > until, told="it has audited")


def is_over(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
