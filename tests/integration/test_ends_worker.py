"""Real workers, and what happens between the end of a body and the commit that says so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from celery import chord
from django.db import connections, transaction

import holdfast
from holdfast import Batch
from holdfast.ledger import interventions
from holdfast.ledger.models import Job
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import WorkerProcess
from tests.project import retrying

WORKERS = ["sqlite-prefork", "postgres-prefork", "postgres-threads"]


@pytest.fixture(params=WORKERS, scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = str(request.param).partition("-")
    with new_site(database, request, environment={"POOL": pool}) as site:
        yield site


@pytest.fixture
def worker(site: Site) -> Iterator[WorkerProcess]:
    site.empty()
    worker = site.worker(pool=site.environment["POOL"])
    yield worker
    site.kill_workers()


@contextmanager
def _held_up(site: Site, id: str) -> Iterator[None]:
    """Keep the end of a job from being written: by its row, or by SQLite's one writer."""
    with transaction.atomic(using=site.alias):
        Job.objects.using(site.alias).select_for_update().get(id=id)
        yield


@pytest.mark.short_on("sqlite-prefork", "postgres-threads")
def test_worker_killed_before_the_commit_repeats_the_body(
    site: Site, worker: WorkerProcess
) -> None:
    sent = site.task("effect").delay("killed", 0.3)
    site.await_effect("start killed")
    with _held_up(site, sent.id):
        site.await_effect("end killed")
        worker.kill()
        # The server may be at a statement of the worker still, and would do it once the row is free.
        eventually(lambda: not _asking(site))
    site.worker(pool=site.environment["POOL"])

    assert sent.get(timeout=20) == "killed"
    assert site.effect_counts() == {"start killed": 2, "end killed": 2}
    assert site.jobs()[sent.id].losses == 1


@pytest.mark.short_on("postgres-prefork", "threads")
def test_stopped_worker_writes_the_ends_that_wait_before_it_leaves(
    site: Site, worker: WorkerProcess
) -> None:
    sent = site.task("effect").delay("stopped", 0.3)
    site.await_effect("start stopped")
    with _held_up(site, sent.id):
        site.await_effect("end stopped")
        worker.signal(signal.SIGTERM)
        eventually(lambda: "Warm shutdown" in worker.log_text(), told="the worker stops")
    assert worker.wait(20) == 0

    assert site.states() == {sent.id: "succeeded"}
    assert sent.get(timeout=5) == "stopped"
    assert site.jobs()[sent.id].attempts == 1


@pytest.mark.short_on("sqlite-prefork", "threads")
def test_job_cancelled_before_the_commit_stays_cancelled(site: Site, worker: WorkerProcess) -> None:
    sent = site.task("effect").delay("cancelled", 0.3)
    site.await_effect("start cancelled")
    with transaction.atomic(using=site.alias):
        interventions.cancel([sent.id], running=True)
        site.await_effect("end cancelled")

    site.wait_all_final(10)
    # The worker has asked for the end by then: what comes later is behind it.
    assert site.task("add").delay(1, 1).get(timeout=10) == 2
    assert site.states()[sent.id] == "cancelled"
    assert sent.state == "REVOKED"


@pytest.mark.short_on("sqlite-prefork", "threads")
def test_ticket_that_comes_again_before_the_commit_runs_nothing(
    site: Site, worker: WorkerProcess
) -> None:
    with site.redis() as redis:
        worker.kill()
        sent = site.task("effect").delay("twice")
        (ticket,) = redis.lrange("celery", 0, -1)
        redis.lpush("celery", *[ticket] * 5)
    site.worker(pool=site.environment["POOL"])
    assert sent.get(timeout=10) == "twice"
    assert site.task("add").delay(1, 1).get(timeout=10) == 2
    assert site.effect_counts()["start twice"] == 1


def test_process_of_the_pool_needs_no_connection_for_what_asks_no_database(site: Site) -> None:
    if not site.database_url.startswith("postgres"):
        pytest.skip("nobody counts the connections to a file")
    site.empty()
    worker = site.worker("-I", retrying.__name__, pool=site.environment["POOL"], concurrency=8)
    before = _connections(site)
    assert {r.get(timeout=20) for r in site.task("effect").apply_many([("x", 0.05)] * 32)} == {"x"}
    assert _connections(site) <= before + 1
    # What is logged and which batch a job is in is told to the main process with its end.
    talked = site.app.tasks[retrying.talk.name].apply_many([("line", 3)] * 32)
    with Batch() as batch:
        batch.add(site.task("effect").s("x", 0.05) for _ in range(32))
    assert batch.wait(timeout=20).succeeded == 32
    site.wait_all_final(20)
    assert {len(line.log) for job in talked for line in holdfast.attempts(job)} == {3}
    assert _connections(site) <= before + 2
    worker.kill()


@pytest.mark.short_on("sqlite-prefork", "threads")
def test_hook_of_a_success_finds_it_in_the_ledger(site: Site, worker: WorkerProcess) -> None:
    worker.kill()
    site.worker("-I", "tests.project.hearing", pool=site.environment["POOL"])
    sent = site.app.send_task("tests.project.hearing.hears")
    assert sent.get(timeout=10) == "heard"
    site.await_effect("hook SUCCESS")


@pytest.mark.short_on("postgres-prefork")
def test_all_members_of_a_chord_keep_what_their_bodies_have_sent(
    site: Site, worker: WorkerProcess
) -> None:
    sends, collect = site.task("send_then"), site.task("collect")
    chord_of = chord([sends.s("return", f"member {n}") for n in range(3)], collect.s())
    sent = chord_of.apply_async()
    sent.get(timeout=20)
    site.wait_all_final(20)
    last = []
    for member in sent.parent.results:
        children = [child.id for child in site.result(member.id).children]
        last += [member.id] * children.count(sent.id)
        assert len(set(children) - {sent.id}) == 1
    rows = site.jobs()
    assert last == [rows[sent.id].parent_id], "the body is a child of the one that completed it"
    assert rows[sent.id].root_id == rows[last[0]].root_id


def _connections(site: Site, *, where: str = "true") -> int:
    with connections[site.alias].cursor() as cursor:
        # Else a transaction is shown what it has seen before.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            f"WHERE datname = current_database() AND pid <> pg_backend_pid() AND {where}"
        )
        return int(cursor.fetchone()[0])


def _asking(site: Site) -> int:
    if not site.database_url.startswith("postgres"):
        return 0
    return _connections(site, where="state = 'active'")
