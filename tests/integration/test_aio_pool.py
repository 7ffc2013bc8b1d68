"""The asyncio pool: many coroutines wait at once in one process, and each of them can be stopped from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError
from django.db import connections

from holdfast.conf import Settings
from holdfast.ledger import interventions
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import WorkerProcess
from tests.project import django_jobs
from tests.project.coroutines import AIO

MANY = 200


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request, environment=AIO) as site:
        yield site


@pytest.fixture(scope="module")
def standing(site: Site) -> WorkerProcess:
    """The worker of the tests that neither stop it nor leave anything in it."""
    return site.worker(pool="custom", concurrency=MANY)


@pytest.fixture
def worker(site: Site, standing: WorkerProcess) -> WorkerProcess:
    site.empty()
    return standing


@pytest.fixture
def gate(site: Site) -> Iterator[Path]:
    gate = site.directory / "gate"
    gate.unlink(missing_ok=True)
    yield gate
    gate.touch()


def _started(site: Site, name: str) -> bool:
    return f"start {name}" in site.effects()


def _open_connections(site: Site) -> int:
    with connections[site.alias].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.short_on("postgres")
def test_two_hundred_jobs_wait_at_once_over_a_few_connections(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    names = [f"{i}" for i in range(MANY)]
    sent = site.task("await_file").apply_many([(str(gate), name) for name in names])
    eventually(lambda: set(site.effect_counts()) == {f"start {name}" for name in names})
    if connections[site.alias].vendor == "postgresql":
        # The desks, and what every worker has; see docs/threads.md.
        assert _open_connections(site) <= Settings().async_desks + 5
    gate.touch()

    assert [job.get(timeout=60) for job in sent] == names
    assert set(site.effect_counts().values()) == {1}


def test_coroutines_that_take_turns_each_see_their_own_job(
    site: Site, worker: WorkerProcess
) -> None:
    sent = site.task("facts_async").apply_many([(0.3,)] * 30)

    for job in sent:
        told = job.get(timeout=60)
        assert set(told["seen"]) == {job.id}
        assert told["task"] == site.task("facts_async").name
        child = site.result(told["child"])
        assert child.get(timeout=60) == f"child of {job.id}"
        assert child.id in {below.id for below in site.result(job.id).children}


def test_sync_jobs_run_beside_the_coroutines_that_wait(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    waiting = site.task("await_file").apply_many([(str(gate), f"{i}") for i in range(20)])
    added = site.task("add").apply_many([(i, i) for i in range(20)])

    assert [job.get(timeout=60) for job in added] == [2 * i for i in range(20)]
    assert not [job for job in waiting if job.ready()]
    gate.touch()
    assert len([job.get(timeout=60) for job in waiting]) == 20


def test_coroutines_of_django_tasks_wait_at_once_too(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    names = [f"django {i}" for i in range(Settings().async_sync_threads * 2)]
    for name in names:
        django_jobs.await_file.enqueue(str(gate), name)
    eventually(lambda: all(_started(site, name) for name in names))
    gate.touch()
    asked: Any = django_jobs.ask_database.enqueue("asked")

    assert set(site.wait_all_final().values()) == {"succeeded"}
    asked.refresh()
    assert asked.return_value == 1


def test_autoretry_sees_how_a_coroutine_ends(site: Site, worker: WorkerProcess) -> None:
    good = site.task("autoretry_async").delay("good", 1)
    bad = site.task("autoretry_async").delay("bad", 9)

    assert good.get(timeout=60) == "good"
    assert isinstance(bad.get(timeout=60, propagate=False), ValueError)
    assert site.effect_counts() == {"start good": 2, "start bad": 3}


def test_revoked_job_that_runs_is_cancelled_and_changes_nothing_more(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    sent = site.task("await_file").apply_async(
        (str(gate), "stopped"), link=site.task("after").s("stopped")
    )
    eventually(lambda: _started(site, "stopped"))

    sent.revoke(terminate=True)

    with pytest.raises(TaskRevokedError):
        sent.get(timeout=60)
    eventually(lambda: "cancelled stopped" in site.effects())
    assert site.task("aeffect").delay("next").get(timeout=60) == "next"
    site.wait_all_final()
    assert site.states()[sent.id] == "cancelled"
    assert not {"end stopped", "after stopped"} & set(site.effects())


@pytest.mark.short_on("sqlite")
def test_coroutine_whose_job_is_somebody_elses_is_cancelled(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    sent = site.task("await_file").delay(str(gate), "taken")
    eventually(lambda: _started(site, "taken"))

    # As if the broadcast to the workers had been lost: the audit of the heartbeat has to find it.
    interventions.cancel([sent.id], running=True)

    eventually(lambda: "cancelled taken" in site.effects())
    assert site.states()[sent.id] == "cancelled"


def test_transaction_around_a_coroutine_is_refused(site: Site, worker: WorkerProcess) -> None:
    sent = site.task("in_transaction").delay()

    error = sent.get(timeout=60, propagate=False)
    assert "other jobs use the same connection" in str(error)
    assert site.task("aeffect").delay("next").get(timeout=60) == "next"


def test_limit_of_a_task_holds_for_its_calls(site: Site, worker: WorkerProcess) -> None:
    assert site.task("hasty").delay().get(timeout=60) == "in time"


def test_coroutine_that_is_not_durable_runs_too(site: Site, worker: WorkerProcess) -> None:
    site.task("aeffect").apply_async(("plain",), durable=False)
    eventually(lambda: "end plain" in site.effects())
    assert not site.jobs()


@pytest.mark.short_on("postgres")
def test_stubborn_body_fails_at_its_limit_and_holds_nobody_up(
    site: Site, worker: WorkerProcess, gate: Path
) -> None:
    sent = site.task("stubborn").apply_async((str(gate), "stubborn"), time_limit=0.3)

    assert type(sent.get(timeout=60, propagate=False)).__name__ == "TimeLimitExceeded"
    eventually(lambda: site.effect_counts()["cancelled stubborn"] >= 2, told="it is told again")
    assert site.task("aeffect").delay("next").get(timeout=60) == "next"
    gate.touch()
    site.wait_all_final()
    assert site.states()[sent.id] == "failed"


@pytest.mark.short_on("sqlite")
def test_body_that_blocks_the_loop_is_named_and_keeps_its_lease(
    site: Site, worker: WorkerProcess
) -> None:
    seconds = site.holdfast["lease_seconds"] + 0.5
    sent = site.task("block").delay(seconds)

    sent.get(timeout=60)

    told = next(t for t in worker.log_text().split("WARNING") if "held up the event loop" in t)
    assert f"Job {sent.id} ({site.task('block').name})" in told
    assert "in block" in told
    assert site.jobs()[sent.id].losses == 0


@pytest.mark.short_on("sqlite")
def test_pool_says_what_it_is(site: Site, worker: WorkerProcess) -> None:
    def told() -> dict[str, Any]:
        stats = site.app.control.inspect(timeout=1).stats() or {}
        return dict(next(iter(stats.values()))["pool"])

    pool = eventually(told)
    assert pool["implementation"] == "holdfast.worker.aio:TaskPool"
    assert (pool["max-concurrency"], pool["desks"], pool["threads"]) == (MANY, 4, 8)
