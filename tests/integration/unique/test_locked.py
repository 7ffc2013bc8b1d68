"""Jobs that a transaction of the project holds: a worker goes on with all others, and takes them at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from django.db import OperationalError, connections, transaction
from django.db.models import F
from django.db.models.functions import Now

import holdfast
from holdfast.ledger import interventions, publishing, transitions
from holdfast.ledger.database import dialect
from holdfast.ledger.models import Job
from holdfast.ledger.records import ClaimBatch, Hold, Refusal, Ticket
from holdfast.worker.clerk import Clerk
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.integration.unique.jobs import called_with, row
from tests.project import syncing
from tests.project.syncing import export, plain, render, sync
from tests.rows import hire

T = TypeVar("T")


@pytest.fixture(scope="module")
def module_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """PostgreSQL alone: SQLite has no locks of rows, who writes there waits for the one writer."""
    with new_site("postgres", request) as site:
        yield site


def beside(work: Callable[[], T]) -> T:
    """Do work on another connection while this thread's transaction is open; it must not wait for that."""

    def on_its_own() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(on_its_own).result(20)


def claimed_by_a_clerk(site: Site, *jobs: str) -> ClaimBatch:
    """Claim as a worker does: on a session of the ledger's own."""
    asked = [(job, row(site, job).token, False) for job in jobs]

    def claim() -> ClaimBatch:
        worker = hire()
        dialect().own_session()
        return transitions.claim(asked, worker=worker)

    return beside(claim)


def test_waiting_job_that_was_met_is_not_claimed_before_the_caller_commits(site: Site) -> None:
    met, free = sync.delay(1), plain.delay(1)
    with transaction.atomic(using=site.alias):
        assert sync.delay(1).id == met.id
        answer = claimed_by_a_clerk(site, met.id, free.id)
        assert [job.id for job in answer.claimed] == [free.id]
        assert answer.refused == {met.id: Refusal.LOCKED}
    answer = claimed_by_a_clerk(site, met.id)
    assert [job.id for job in answer.claimed] == [met.id]


def test_job_whose_key_is_free_again_is_claimed_while_the_caller_goes_on(site: Site) -> None:
    first = sync.delay(1)
    (job,) = claimed_by_a_clerk(site, first.id).claimed
    worker = row(site, first.id).worker
    assert worker is not None
    transitions.hand_back([Hold(first.id, job.token, worker)], cause="stop")
    with transaction.atomic(using=site.alias):
        assert sync.delay(1).id != first.id
        assert [job.id for job in claimed_by_a_clerk(site, first.id).claimed] == [first.id]


def test_running_job_that_was_met_can_end_while_the_caller_goes_on(site: Site) -> None:
    met = export.delay(1)
    (job,) = claimed_by_a_clerk(site, met.id).claimed
    worker = row(site, met.id).worker
    assert worker is not None
    hold = Hold(met.id, job.token, worker)
    with transaction.atomic(using=site.alias):
        assert export.delay(1).id == met.id
        assert beside(lambda: transitions.succeed(hold, stored=None))


def test_caller_with_a_frozen_view_is_told_to_try_again(site: Site) -> None:
    with connections[site.alias].cursor() as cursor, transaction.atomic(using=site.alias):
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM holdfast_job")
        met = beside(lambda: sync.delay(1))
        with pytest.raises(OperationalError, match="could not serialize"):
            sync.delay(1)
        transaction.set_rollback(True, using=site.alias)
    assert sync.delay(1).id == met.id


def test_no_loop_waits_for_a_transaction_of_the_project(site: Site) -> None:
    met = sync.apply_async((1,), expires=3600)
    ticket = Ticket(met.id, 1, sync.name, "celery", 0)
    rows = Job.objects.using(site.alias).filter(id=met.id)
    with transaction.atomic(using=site.alias):
        assert sync.delay(1).id == met.id
        assert beside(lambda: publishing.republish([ticket])) == []
        assert beside(lambda: publishing.recall([ticket])) == 0
        assert beside(lambda: publishing.publish_due(limit=10)) == []
    rows.update(expires_at=Now())
    with transaction.atomic(using=site.alias):
        rows.update(losses=F("losses"))
        assert beside(lambda: interventions.expire([met.id])) == 0
    assert interventions.expire([met.id]) == 1


def test_clerk_goes_on_claiming_while_its_work_meets_a_lock(site: Site) -> None:
    job = plain.delay(1)
    claimed_by_a_clerk(site, job.id)
    worker = row(site, job.id).worker
    assert worker is not None
    hold = Hold(job.id, row(site, job.id).token, worker)
    turns: list[int] = []

    def claim() -> bool:
        turns.append(1)
        return True

    def hand_back() -> None:
        transitions.hand_back([hold], cause="stop")

    clerk = Clerk(claim)
    with transaction.atomic(using=site.alias):
        holdfast.cancel(job)
        clerk.start()
        clerk.submit(hand_back)
        eventually(lambda: len(turns) > 5, told="it has claimed again and again")
        transaction.set_rollback(True, using=site.alias)
    eventually(lambda: site.states() == {job.id: "queued"}, told="the work is done")
    clerk.stop(seconds=20)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_worker_goes_on_beside_a_long_transaction_and_takes_its_jobs_at_the_end(
    site: Site, pool: str
) -> None:
    # Far more than a worker would fetch at once, and before all others.
    cancelled = [plain.delay(number) for number in range(30)]
    met, old = sync.delay(1), render.delay("page", "old")
    with transaction.atomic(using=site.alias):
        holdfast.cancel(cancelled)
        assert sync.delay(1, "late").id == met.id
        render.delay("page", "new")
        site.worker(f"--include={syncing.__name__}", pool=pool, concurrency=2)
        others = [beside(lambda n=n: plain.delay(n)) for n in range(100, 105)]  # type: ignore[misc]
        eventually(
            lambda: {f"plain {n}" for n in range(100, 105)} <= set(site.effects()),
            told="the jobs that nobody holds have run",
        )
        assert len(site.effects()) == len(others)
        transaction.set_rollback(True, using=site.alias)

    states = site.wait_all_final()
    assert set(states.values()) == {"succeeded"}
    assert site.effect_counts() == {
        **{f"plain {n}": 1 for n in [*range(30), *range(100, 105)]},
        "sync 1 shop": 1,
        "render page old": 1,
    }
    assert called_with(old.id) == (["page", "old"], {})
