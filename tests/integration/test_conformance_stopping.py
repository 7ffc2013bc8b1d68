"""Jobs that are stopped from outside: revoked, expired, out of time, or with the worker that runs them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import chain, chord
from celery.exceptions import TaskRevokedError

import holdfast
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import WorkerProcess


@pytest.fixture(
    params=["sqlite-prefork", "postgres-prefork", "postgres-threads", "postgres-gevent"],
    scope="module",
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = str(request.param).partition("-")
    with new_site(database, request, environment={"POOL": pool}) as site:
        yield site


@pytest.fixture
def worker(site: Site) -> Iterator[WorkerProcess]:
    """A worker for one test: these tests stop it, or leave it with a thread that cannot be stopped."""
    site.empty()
    worker = site.worker(pool=site.environment["POOL"])
    yield worker
    worker.kill()
    site.workers.remove(worker)


@pytest.fixture
def gate(site: Site) -> Iterator[Path]:
    gate = site.directory / "gate"
    gate.unlink(missing_ok=True)
    yield gate
    gate.touch()


def _started(site: Site, name: str) -> bool:
    return f"start {name}" in site.effects()


@pytest.mark.short_on("sqlite-prefork", "threads")
def test_job_revoked_before_it_starts_never_runs(site: Site, worker: WorkerProcess) -> None:
    sent = site.task("effect").apply_async(("revoked",), countdown=30)
    sent.revoke()

    with pytest.raises(TaskRevokedError):
        sent.get(timeout=60)
    assert sent.state == "REVOKED"
    assert site.task("add").delay(1, 1).get(timeout=60) == 2
    assert not _started(site, "revoked")


@pytest.mark.short_on("postgres-prefork", "threads")
def test_revoked_member_tells_its_chord_and_its_chain(site: Site, worker: WorkerProcess) -> None:
    member = site.task("effect").s("member").set(countdown=30)
    body = site.task("after").s("chord").on_error(site.task("failed").s("chord"))
    of_chord = chord([member, site.task("add").s(1, 1)], body, app=site.app).delay()
    of_chain = chain(
        site.task("effect").s("step").set(countdown=30), site.task("after").s("chain"), app=site.app
    ).delay()
    holdfast.cancel([of_chord.parent.results[0].id, of_chain.parent.id])

    assert of_chain.get(timeout=60, propagate=False) is not None
    assert of_chain.state == "REVOKED"
    assert of_chord.get(timeout=60, propagate=False) is not None
    assert of_chord.state == "FAILURE"
    site.wait_all_final()
    counts = site.effect_counts()
    assert counts["failed chord ChordError"] == 1
    assert not counts["after chord"]
    assert not counts["after chain"]


@pytest.mark.short_on("sqlite-prefork", "threads", "gevent")
def test_revoked_job_that_runs_is_stopped_and_changes_nothing_more(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    sent = site.task("wait_for_file").apply_async(
        (str(gate), "stopped"), link=site.task("after").s("stopped")
    )
    eventually(lambda: _started(site, "stopped"))
    processes = set(worker.pids())

    sent.revoke(terminate=True)

    with pytest.raises(TaskRevokedError):
        sent.get(timeout=60)
    can_be_stopped = site.environment["POOL"] in {"prefork", "gevent"}
    if can_be_stopped:
        # The row is cancelled at once; that its worker has heard of it too is another fact.
        worker.await_line(f"Terminating {sent.id}")
    if site.environment["POOL"] == "prefork":
        eventually(lambda: processes - set(worker.pids()), told="its process is gone")
    gate.touch()
    assert site.task("add").delay(1, 1).get(timeout=60) == 2
    site.wait_all_final()
    if can_be_stopped:
        assert "end stopped" not in site.effects()
    else:
        # A thread is not stopped: it comes to its end, and that end is refused.
        eventually(lambda: "end stopped" in site.effects())
    assert site.states()[sent.id] == "cancelled"
    assert "after stopped" not in site.effects()


@pytest.mark.short_on("postgres-prefork", "gevent")
def test_revoke_without_terminate_lets_a_running_job_finish(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    sent = site.task("wait_for_file").delay(str(gate), "kept")
    eventually(lambda: _started(site, "kept"))

    sent.revoke()
    gate.touch()

    assert sent.get(timeout=60) == "kept"


@pytest.mark.short_on("sqlite-prefork", "threads")
def test_cancelled_job_can_be_replayed(site: Site, worker: WorkerProcess) -> None:
    sent = site.task("effect").apply_async(("again",), countdown=60)
    sent.revoke()

    assert holdfast.replay(sent.id).get(timeout=60) == "again"


@pytest.mark.short_on("postgres-prefork", "threads")
def test_expired_member_tells_its_chord(site: Site, worker: WorkerProcess) -> None:
    late = site.task("effect").s("late").set(expires=0.2, countdown=0.8)
    body = site.task("after").s("late").on_error(site.task("failed").s("late"))
    sent = chord([late, site.task("add").s(1, 1)], body, app=site.app).delay()

    assert sent.get(timeout=60, propagate=False) is not None
    site.wait_all_final()
    assert site.effect_counts()["failed late ChordError"] == 1
    assert not _started(site, "late")


@pytest.mark.short_on("postgres-prefork", "threads", "gevent")
def test_warm_stop_finishes_what_runs_and_hands_back_the_rest(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    running = [site.task("wait_for_file").delay(str(gate), f"running {i}") for i in range(2)]
    eventually(lambda: all(_started(site, f"running {i}") for i in range(2)))
    waiting = [site.task("effect").delay(f"waiting {i}") for i in range(5)]

    worker.signal(signal.SIGTERM)
    worker.await_line("Warm shutdown")
    gate.touch()
    assert worker.wait() == 0

    states = site.states()
    assert [states[sent.id] for sent in running] == ["succeeded"] * 2
    assert {job.losses for job in site.jobs().values()} == {0}
    assert {job.failures for job in site.jobs().values()} == {0}
    assert not [id for id, state in states.items() if state == "running"]
    second = site.worker(pool=site.environment["POOL"])
    for sent in waiting:
        assert sent.get(timeout=60).startswith("waiting")
    second.kill()
    site.workers.remove(second)
    assert {n for line, n in site.effect_counts().items()} == {1}


@pytest.mark.short_on("sqlite-prefork", "threads", "gevent")
def test_cold_stop_gives_running_jobs_back(site: Site, worker: WorkerProcess, gate: Path) -> None:
    if site.environment["POOL"] == "threads":
        pytest.skip("Celery waits for threads even in a cold stop")
    sent = site.task("wait_for_file").delay(str(gate), "cold")
    eventually(lambda: _started(site, "cold"))

    worker.signal(signal.SIGQUIT)
    worker.wait()
    second = site.worker(pool=site.environment["POOL"])
    eventually(lambda: site.effect_counts()["start cold"] == 2)
    gate.touch()

    assert sent.get(timeout=60) == "cold"
    assert site.jobs()[sent.id].failures == 0
    second.kill()
    site.workers.remove(second)


@pytest.mark.parametrize("task", ["leave", "leave_atomic"])
@pytest.mark.parametrize(
    ("leaving", "option", "error"),
    [
        ("soft limit", {"soft_time_limit": 0.5}, "SoftTimeLimitExceeded"),
        ("hard limit", {"time_limit": 0.9}, "TimeLimitExceeded"),
    ],
)
@pytest.mark.short_on("postgres-prefork", "threads", "gevent")
def test_time_limit_ends_the_job_and_the_worker_goes_on(
    site: Site,
    worker: WorkerProcess,
    task: str,
    leaving: str,
    option: dict[str, float],
    error: str,
) -> None:
    if site.environment["POOL"] == "threads" or (
        site.environment["POOL"] == "gevent" and leaving == "soft limit"
    ):
        pytest.skip("a thread cannot be stopped from outside, and gevent has no soft limit")
    sent = site.task(task).apply_async((leaving, "limited"), **option)

    assert type(sent.get(timeout=60, propagate=False)).__name__ == error
    assert sent.state == "FAILURE"
    assert site.task("add").delay(1, 1).get(timeout=60) == 2
    assert site.effect_counts()["start limited"] == 1
