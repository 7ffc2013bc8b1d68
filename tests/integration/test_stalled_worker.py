"""Workers that are connected and take nothing, made so for real: they connect anew, or end for their supervisor."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psutil
import pytest

from holdfast.ledger.models import Worker
from holdfast.worker.leaving import EXIT_STALLED
from tests.eventually import eventually
from tests.harness import SHORT, Site, new_site
from tests.processes import WorkerProcess

QUICK = SHORT | {"canary_seconds": 1.0, "stall_seconds": 5.0}
# Longest wait for what takes some seconds, on a machine that has other things to do.
SOON = 60
NOTHING_COMES = "what lies ready for it on the broker does not come"
NO_TURN = "its event loop does not turn"
# How they hang, by database: (how, pool, what is said of it).
WAYS = {
    "sqlite": [
        ("forgets_to_fetch", "gevent", NOTHING_COMES),
        ("reads_for_ever", "prefork", NO_TURN),
        ("is_cancelled", "threads", "it does not ask for second2"),
    ],
    "postgres": [
        ("loses_its_tick", "prefork", NOTHING_COMES),
        ("reads_for_ever", "gevent", NO_TURN),
        ("forgets_to_fetch", "custom", NOTHING_COMES),
    ],
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    pool = {"CELERY_CUSTOM_WORKER_POOL": "holdfast.worker.aio:TaskPool"}
    with new_site(str(request.param), request, holdfast=QUICK, environment=pool) as site:
        yield site


@pytest.fixture
def clean(site: Site) -> Iterator[Site]:
    site.empty()
    yield site
    site.kill_workers()


def row(worker: WorkerProcess) -> Worker:
    found = worker.lease()
    assert found is not None
    return found


def hang(site: Site, worker: WorkerProcess, how: str, *, for_good: bool = False) -> None:
    """Wait until the worker has heard a canary, then make it hang."""
    eventually(lambda: row(worker).heard_at, within=SOON, told="a canary is heard")
    site.app.control.broadcast(
        "hang",
        arguments={"how": how, "for_good": for_good},
        destination=[row(worker).name],
        reply=False,
    )


def says(worker: WorkerProcess, text: str) -> None:
    eventually(lambda: text in worker.log_text(), within=SOON, told=f"the log says {text!r}")


def test_stalled_workers_connect_anew_and_take_jobs_again(
    clean: Site, request: pytest.FixtureRequest
) -> None:
    ways = WAYS[request.node.callspec.params["site"]]
    workers = [
        clean.worker(
            "-I", "tests.project.hanging", pool=pool, queues=f"first{n},second{n}", wait=False
        )
        for n, (_, pool, _) in enumerate(ways)
    ]
    for worker, (how, _, _) in zip(workers, ways, strict=True):
        worker.wait_ready()
        hang(clean, worker, how)

    for n, (worker, (how, _, cause)) in enumerate(zip(workers, ways, strict=True)):
        says(worker, f"is stalled: {cause}")
        says(worker, "takes messages again")
        clean.task("effect").apply_async((f"alive {n}",), queue=f"second{n}")
        clean.await_effect(f"end alive {n}", timeout=SOON)
        evidence = worker.log_text().partition(" is stalled: ")[2]
        assert "canaries: " in evidence
        assert "connection: connected" in evidence
        assert f"queue second{n}: 0 messages" in evidence
        assert "stack of the event loop's thread:\n  File " in evidence
        assert ("in _reads_for_ever" in evidence) == (how == "reads_for_ever")
    for worker in workers:
        eventually(lambda: row(worker).stalled_at is None, within=SOON)  # noqa: B023
        assert worker.log_text().count(" is stalled: ") == 1


def test_worker_that_a_new_connection_does_not_heal_ends_in_order_with_its_code(
    clean: Site,
) -> None:
    worker = clean.worker("-I", "tests.project.hanging")
    gate = clean.directory / uuid4().hex
    job = clean.task("wait_for_file").delay(str(gate), "running").id
    clean.await_effect("start running", timeout=SOON)

    hang(clean, worker, "forgets_to_fetch", for_good=True)

    eventually(lambda: row(worker).stalled_at, within=SOON, told="the ledger says so")
    says(worker, "is stalled still")
    # As after SIGTERM: it waits for what runs.
    gate.touch()
    assert worker.wait(SOON) == EXIT_STALLED
    assert clean.states()[job] == "succeeded"
    assert Worker.objects.using(clean.alias).get(pid=worker.pid).stopped_at


def test_worker_whose_loop_is_blocked_hands_its_jobs_back_and_ends(clean: Site) -> None:
    worker = clean.worker("-I", "tests.project.hanging", concurrency=1)
    job = clean.task("wait_for_file").delay(str(clean.directory / "no gate"), "running").id
    clean.await_effect("start running", timeout=SOON)
    children = worker.pids()

    hang(clean, worker, "is_blocked")

    assert worker.wait(SOON) == EXIT_STALLED
    assert "in _is_blocked" in worker.log_text()
    found = clean.jobs()[job]
    assert (clean.states()[job], found.failures, found.losses) == ("queued", 0, 0)
    assert children
    eventually(lambda: not any(_lives(pid) for pid in children), told="its processes are gone")


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
