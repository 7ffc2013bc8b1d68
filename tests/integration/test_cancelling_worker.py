"""Jobs of real workers that are told to stop: how soon they hear it, and how they end."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
from celery.contrib.abortable import AbortableAsyncResult
from celery.exceptions import SoftTimeLimitExceeded, TaskRevokedError
from celery.result import AsyncResult

import holdfast
from holdfast.ledger import checkpoints
from tests.eventually import eventually
from tests.harness import SHORT, Site, new_site
from tests.project import steered
from tests.project.coroutines import AIO
from tests.project.models import AtomicEffect
from tests.surroundings import current_app

INCLUDE = f"--include={steered.__name__}"
# One heartbeat, the two seconds for which a new claim is not audited, and time for a busy machine.
AUDIT_SECONDS = SHORT["lease_seconds"] * 0.4 + 2
SLACK = 30.0


@pytest.fixture(
    params=["sqlite-prefork", "postgres-threads"],
    scope="module",
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = str(request.param).partition("-")
    with new_site(database, request, environment={"POOL": pool}) as site:
        site.worker(INCLUDE, pool=pool, concurrency=4)
        yield site


@pytest.fixture
def clean(site: Site) -> Iterator[Site]:
    site.empty()
    yield site
    site.wait_all_final()


def _started(site: Site, name: str) -> bool:
    return eventually(lambda: f"start {name}" in site.effects(), told=f"{name} runs")


@pytest.mark.parametrize(
    ("leaving", "state"),
    [
        ("raise", "cancelled"),
        ("retry", "cancelled"),
        ("replace", "cancelled"),
        ("replace by a chain", "cancelled"),
        ("error", "failed"),
        ("return", "succeeded"),
    ],
)
def test_body_is_told_to_stop_and_its_job_ends_as_it_leaves(
    clean: Site, leaving: str, state: str
) -> None:
    task = clean.app.tasks[steered.steered.name]
    sent = task.apply_async((leaving, leaving), link=clean.task("after").s(leaving))
    _started(clean, leaving)
    asked = time.monotonic()

    sent.revoke()

    assert sent.state == "ABORTED"
    eventually(lambda: f"told {leaving}" in clean.effects(), within=SLACK, told="the body hears")
    heard = time.monotonic() - asked
    states = clean.wait_all_final()
    assert states[sent.id] == state
    assert heard < SLACK, f"heard after {heard:.1f} s"
    # A job that ended as its body says sends on what it would have; one that was cancelled does not.
    assert (f"after {leaving}" in clean.effects()) == (state == "succeeded")
    assert f"again {leaving}" not in clean.effects()
    assert len(states) == (2 if state == "succeeded" else 1), "nothing else was sent"
    if state == "cancelled":
        with pytest.raises(TaskRevokedError):
            sent.get(timeout=60)


def test_atomic_body_that_leaves_as_cancelled_has_done_nothing(clean: Site) -> None:
    sent = clean.app.tasks[steered.steered_atomic.name].delay("undone")
    clean.wait_all_final()
    assert (clean.jobs()[sent.id].state, clean.jobs()[sent.id].reason) == (5, "aborted")
    assert not AtomicEffect.objects.using(clean.alias).filter(job="undone").exists()


@pytest.mark.short_on("threads")
def test_job_that_waits_in_a_worker_is_cancelled_before_it_begins(clean: Site) -> None:
    pool, gate = clean.environment["POOL"], clean.directory / "before"
    worker = clean.worker(INCLUDE, pool=pool, concurrency=1, queues="one")
    task = clean.app.tasks[steered.deaf.name]
    runs = task.apply_async(("runs", str(gate)), queue="one")
    _started(clean, "runs")
    waits = task.apply_async(("waits", str(gate)), queue="one")
    # Claimed ahead of the slot: for the ledger it runs, but no body is there to be told.
    eventually(lambda: clean.states()[waits.id] == "running", told="it is claimed")

    holdfast.cancel(waits, terminate=False)

    eventually(lambda: clean.states()[waits.id] == "cancelled", within=AUDIT_SECONDS + SLACK)
    gate.touch()
    assert runs.get(timeout=SLACK) == "runs"
    assert "start waits" not in clean.effects()
    worker.kill()
    clean.workers.remove(worker)


def test_soft_time_limit_reaches_a_body_that_asks_on_every_pool(clean: Site) -> None:
    sent = clean.app.tasks[steered.steered.name].apply_async(("limited",), soft_time_limit=1.0)
    assert isinstance(sent.get(timeout=60, propagate=False), SoftTimeLimitExceeded)
    assert clean.states()[sent.id] == "failed"


@pytest.mark.short_on("threads")
def test_task_written_for_celerys_abortable_runs_unchanged(clean: Site) -> None:
    sent = clean.app.tasks[steered.abortable.name].delay("abortable")
    _started(clean, "abortable")
    result: AbortableAsyncResult[str] = AbortableAsyncResult(sent.id, app=clean.app)
    result.abort()
    assert result.get(timeout=SLACK) == "gave up"


def test_stopped_job_is_stopped_at_once_or_told(clean: Site) -> None:
    sent = _send_what_must_be_stopped(clean, "stopped")
    asked = time.monotonic()

    holdfast.cancel(sent, terminate=True)

    assert clean.states()[sent.id] == "cancelled"
    _await_end(clean, "stopped", "Terminating")
    print(f"\nstopped after {time.monotonic() - asked:.2f} s")  # noqa: T201  # a figure of the guide


def test_workers_find_out_by_themselves_where_nobody_can_tell_them(clean: Site) -> None:
    sent = _send_what_must_be_stopped(clean, "alone")
    asked = time.monotonic()

    with current_app("redis://127.0.0.1:1/0"):
        holdfast.cancel(sent.id)

    called = time.monotonic() - asked
    assert clean.states()[sent.id] == "cancelled"
    _await_end(clean, "alone", "has moved on: its attempt here is stopped")
    stopped = time.monotonic() - asked - called
    print(f"\ncalled {called:.2f} s, stopped {stopped:.2f} s later")  # noqa: T201  # see above
    assert called < 3, "the caller does not wait for a broker that is away"
    assert stopped < AUDIT_SECONDS + SLACK
    holdfast.cancel(sent.id)
    assert clean.states()[sent.id] == "cancelled"


def test_wish_is_heard_inside_a_transaction(clean: Site) -> None:
    if clean.database_url.startswith("sqlite"):
        pytest.skip("the transaction holds the only writer: nobody can ask meanwhile")
    sent = clean.app.tasks[steered.steered.name].delay("inside", "in transaction")
    _started(clean, "inside")
    holdfast.cancel(sent, terminate=False)
    assert clean.wait_all_final()[sent.id] == "cancelled"


@pytest.mark.parametrize("leaving", ["retry", "snooze", "fail"])
@pytest.mark.short_on("threads")
def test_next_attempt_goes_on_where_the_last_one_was(clean: Site, leaving: str) -> None:
    sent = clean.app.tasks[steered.resumable.name].delay(leaving, 6, leaving=leaving)
    if leaving == "fail":
        clean.wait_all_final()
        holdfast.replay(sent)
    assert sent.get(timeout=60) == 2
    assert [line for line in clean.effects() if line.startswith("from")] == [
        f"from {leaving} 0",
        f"from {leaving} 4",
    ]
    steps = AtomicEffect.objects.using(clean.alias).filter(job__startswith=leaving)
    assert sorted(steps.values_list("job", flat=True)) == [f"{leaving} {n}" for n in range(6)]
    assert checkpoints.load(sent.id) is None, "it went with the success"
    holdfast.replay(sent)
    eventually(lambda: clean.effects().count(f"from {leaving} 0") == 2, told="it begins anew")
    clean.wait_all_final()


@pytest.mark.short_on("prefork")
def test_last_word_of_many_is_shown_while_the_body_runs(clean: Site) -> None:
    gate = clean.directory / "reported"
    sent = clean.app.tasks[steered.reporting.name].delay("report", str(gate))
    last = {"done": 499, "total": 500, "message": "nearly there"}
    eventually(lambda: sent.info == last, within=SLACK, told="the last word is there")
    assert sent.state == "PROGRESS"
    assert "progress         499 of 500 (100%): nearly there" in clean.django(
        "holdfast", "jobs", "show", sent.id
    )
    gate.touch()
    assert sent.get(timeout=SLACK) == "report"
    assert (sent.state, sent.info) == ("SUCCESS", "report")


def test_progress_is_seen_while_the_transaction_is_open(clean: Site) -> None:
    if clean.database_url.startswith("sqlite"):
        pytest.skip("the transaction holds the only writer")
    gate = clean.directory / "inside"
    sent = clean.app.tasks[steered.reporting.name].delay("inside", str(gate), "transaction")
    last = {"done": 3, "total": 4, "message": "inside"}
    eventually(lambda: sent.info == last, within=SLACK, told="it is seen from outside")
    gate.touch()
    assert sent.get(timeout=SLACK) == "inside"


def test_coroutine_goes_on_says_how_far_it_is_and_is_told_to_stop(clean: Site) -> None:
    _run_a_coroutine(clean)


def test_coroutine_of_the_asyncio_pool_is_told_the_same(request: pytest.FixtureRequest) -> None:
    with new_site("postgres", request, environment=AIO) as site:
        site.worker(INCLUDE, pool="custom", concurrency=4)
        _run_a_coroutine(site)


def _run_a_coroutine(site: Site) -> None:
    sent = site.app.tasks[steered.asteered.name].delay("coroutine")
    eventually(lambda: "from coroutine 1" in site.effects(), told="it goes on")
    said = {"done": 1, "total": 2, "message": "awaiting"}
    eventually(lambda: sent.info == said, within=SLACK, told="it says how far it is")
    holdfast.cancel(sent, terminate=False)
    assert site.wait_all_final()[sent.id] == "cancelled"
    assert "told coroutine" in site.effects()


def _send_what_must_be_stopped(site: Site, name: str) -> AsyncResult[str]:
    """Send a job that no word reaches; in a thread, which nothing can stop, one that looks."""
    if site.environment["POOL"] == "threads":
        sent: AsyncResult[str] = site.app.tasks[steered.abortable.name].delay(name)
    else:
        sent = site.app.tasks[steered.deaf.name].delay(name, str(site.directory / "never"))
    _started(site, name)
    return sent


def _await_end(site: Site, name: str, said: str) -> None:
    """Wait until nothing of the job runs: in a thread the body is told, a process is gone."""
    if site.environment["POOL"] == "threads":
        eventually(lambda: f"told {name}" in site.effects(), within=SLACK, told="the body hears")
        return
    (worker,) = site.workers
    eventually(
        lambda: said in worker.log_text(), within=AUDIT_SECONDS + SLACK, every=0.05, told=said
    )
    (pid,) = [int(line.split()[-1]) for line in site.effects() if line.startswith(f"pid {name} ")]
    eventually(lambda: _is_over(pid), within=SLACK, told=f"process {pid} is over")


def _is_over(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
