"""Workers that are connected and take nothing, made so for real: they connect anew, or end for their supervisor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from holdfast.ledger.models import Worker
from holdfast.worker.leaving import EXIT_STALLED
from tests.eventually import eventually
from tests.harness import SHORT, Site, new_site
from tests.processes import WorkerProcess
from tests.project.coroutines import AIO

QUICK: Mapping[str, Any] = SHORT | {"canary_seconds": 1.0, "stall_seconds": 4.0}
NOTHING_COMES = "what lies ready for it on the broker does not come"
NO_TURN = "its event loop does not turn"


@dataclass(frozen=True, slots=True)
class Way:
    """How a worker hangs, and what it says of it; `for_good`: a new connection does not help."""

    how: str
    pool: str
    cause: str
    for_good: bool = False


HEALED = {
    "sqlite": [
        Way("forgets_to_fetch", "gevent", NOTHING_COMES),
        Way("reads_for_ever", "prefork", NO_TURN),
        Way("is_cancelled", "threads", "it does not ask for second2"),
    ],
    "postgresql": [
        Way("loses_its_tick", "prefork", NOTHING_COMES),
        Way("reads_for_ever", "gevent", NO_TURN),
        Way("forgets_to_fetch", "custom", NOTHING_COMES),
    ],
}
FORGETS_FOR_GOOD = Way("forgets_to_fetch", "prefork", NOTHING_COMES, for_good=True)
BLOCKED = Way("is_blocked", "prefork", NO_TURN, for_good=True)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request, holdfast=QUICK) as site:
        yield site


@pytest.fixture(scope="module")
def struck(site: Site) -> dict[Way, WorkerProcess]:
    """A worker for each way, which has heard a canary and then was made to hang; the ones for good run a job."""
    ways = [*HEALED[site.database_url.partition(":")[0]], FORGETS_FOR_GOOD, BLOCKED]
    workers = {
        way: site.worker(
            *("-I", "tests.project.hanging"),
            pool=way.pool,
            queues=f"first{n},second{n}",
            environment=AIO | {"HOLDFAST_ALIVE_FILE": str(site.directory / f"alive{n}")},
            wait=False,
        )
        for n, way in enumerate(ways)
    }
    for n, (way, worker) in enumerate(workers.items()):
        worker.wait_ready()
        if way.for_good:
            gate = str(site.directory / f"gate{n}")
            site.task("wait_for_file").apply_async((gate, f"job {n}"), queue=f"first{n}")
            site.await_effect(f"start job {n}")
        eventually(lambda: row(worker).heard_at, told="a canary is heard")  # noqa: B023
        site.app.control.broadcast(
            "hang",
            arguments={"how": way.how, "for_good": way.for_good},
            destination=[row(worker).name],
            reply=False,
        )
    return workers


def row(worker: WorkerProcess) -> Worker:
    found = worker.lease()
    assert found is not None
    return found


def says(worker: WorkerProcess, text: str) -> None:
    eventually(lambda: text in worker.log_text(), told=f"the log says {text!r}")


@pytest.mark.short_on("postgres")
def test_stalled_workers_connect_anew_and_take_jobs_again(
    site: Site, struck: dict[Way, WorkerProcess]
) -> None:
    for n, (way, worker) in enumerate(struck.items()):
        if way.for_good:
            continue
        says(worker, f"is stalled: {way.cause}")
        says(worker, "takes messages again")
        site.task("effect").apply_async((f"alive {n}",), queue=f"second{n}")
        site.await_effect(f"end alive {n}")
        eventually(lambda: row(worker).stalled_at is None, told="the ledger says so")  # noqa: B023
        assert worker.log_text().count(" is stalled: ") == 1


def test_stalled_workers_give_evidence(struck: dict[Way, WorkerProcess]) -> None:
    for n, (way, worker) in enumerate(struck.items()):
        says(worker, f"is stalled: {way.cause}")
        says(worker, "stack of the event loop's thread:\n  File ")
        evidence = worker.log_text().partition(" is stalled: ")[2]
        assert "canaries: " in evidence
        assert "connection: connected" in evidence
        assert f"queue second{n}: 0 messages" in evidence
        reads = way.how in {"reads_for_ever", "is_blocked"}
        assert (f"in _{way.how}" in evidence) == reads


@pytest.mark.short_on("sqlite")
def test_worker_that_a_new_connection_does_not_heal_ends_in_order_with_its_code(
    site: Site, struck: dict[Way, WorkerProcess]
) -> None:
    worker = struck[FORGETS_FOR_GOOD]
    number = list(struck).index(FORGETS_FOR_GOOD)

    says(worker, "is stalled still")

    # As after SIGTERM: it waits for what runs.
    (site.directory / f"gate{number}").touch()
    assert worker.wait(60) == EXIT_STALLED
    assert site.counts(queue=f"first{number}") == {"succeeded": 1}
    assert Worker.objects.using(site.alias).get(pid=worker.pid).stopped_at
    assert not (site.directory / f"alive{number}").exists()


def test_worker_whose_loop_is_blocked_hands_its_jobs_back_and_ends(
    site: Site, struck: dict[Way, WorkerProcess]
) -> None:
    worker = struck[BLOCKED]
    number = list(struck).index(BLOCKED)

    assert worker.wait(60) == EXIT_STALLED

    (job,) = site.jobs(queue=f"first{number}").values()
    assert (job.failures, job.losses, job.worker) == (0, 0, None)
    assert site.counts(queue=f"first{number}") == {"queued": 1}
    eventually(lambda: not _group(worker.pid), told="its processes are gone")
    # The file is old for as long as the worker was stalled, and stays for whoever looks.
    alive = site.directory / f"alive{number}"
    assert "consuming: yes\n" in alive.read_text()
    assert worker.log.stat().st_mtime - alive.stat().st_mtime > QUICK["stall_seconds"] / 2


def _group(leader: int) -> list[int]:
    """Return the processes that live in a worker's group."""
    found = []
    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(OSError):
            if os.getpgid(process.pid) == leader and process.info["status"] != "zombie":
                found.append(process.pid)
    return found
