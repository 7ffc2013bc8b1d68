"""An operation under a worker that is killed: what it had done stays done, the rest is done by the next one, once."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psycopg
import pytest
from django.db.models.functions import Now

from holdfast import Batch, operations
from holdfast.ledger.models import Job
from holdfast.ledger.states import State
from holdfast.operations import OperationRow
from tests.eventually import eventually
from tests.harness import Site, new_site

# The last slice is no full one: it moves jobs, and ends the operation.
MANY = 2100
_DIES_IN_A_SLICE = """
import os, signal
from holdfast import operations
from holdfast.ledger import slices
move = slices._move
def move_and_die(row, seen, options):
    moved = move(row, seen, options)
    if row.done:
        os.kill(os.getpid(), signal.SIGKILL)
    return moved
slices._move = move_and_die
operations.run()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


def dead_letters(site: Site) -> dict[str, int]:
    """Make many dead letters of one cause; return their tokens."""
    site.task("noop").apply_many([()] * MANY, queue="nobody's")
    rows = Job.objects.using(site.alias)
    rows.update(state=State.FAILED, fingerprint="0123456789abcdef", finished_at=Now())
    return dict(rows.values_list("id", "token"))


def ended(id: int) -> OperationRow | None:
    row = operations.find(id)
    return row if row is not None and row.ended_at is not None else None


def kill_in_the_middle(site: Site, id: int) -> None:
    """Let a worker work off some slices, and kill it while it is in the middle of one."""
    if not site.database_url.startswith("postgres"):
        dying = site.process(_DIES_IN_A_SLICE)
        assert dying.wait() == -signal.SIGKILL, dying.log_tail()
        return
    with psycopg.connect(site.database_url) as holder:
        # The last slice writes a line: it has moved its jobs, and waits here before it can commit.
        holder.execute("LOCK TABLE holdfast_audit IN SHARE MODE")
        worker = site.worker(pool="threads", concurrency=1)
        stuck = "SELECT 1 FROM pg_locks WHERE relation = 'holdfast_audit'::regclass AND NOT granted"
        eventually(lambda: holder.execute(stuck).fetchone(), told="the last slice waits")
        worker.kill()


def in_a_batch(site: Site) -> dict[str, int]:
    """Send many members of a batch that wait; return their tokens."""
    site.task("noop").apply_many([()] * MANY, queue="nobody's")
    rows = Job.objects.using(site.alias)
    with Batch("large", seal=False) as batch:
        rows.update(batch_id=batch.id)
    batch.seal()
    return dict(rows.values_list("id", "token"))


@pytest.mark.parametrize("kind", ["discard", "cancel-batch"])
@pytest.mark.short_on("postgres")
def test_killed_worker_leaves_an_operation_that_the_next_one_ends_once_for_each_job(
    site: Site, kind: str
) -> None:
    before = dead_letters(site) if kind == "discard" else in_a_batch(site)
    (batch,) = set(Job.objects.using(site.alias).values_list("batch_id", flat=True))
    wanted = {"batch": batch} if batch else {"fingerprint": "0123456789abcdef"}
    asked = operations.ask(kind, wanted, actor="ada")
    kill_in_the_middle(site, asked.id)
    half = operations.find(asked.id)
    assert half is not None
    assert (half.state, 0 < half.done < MANY) == ("running", True)

    site.worker(pool="threads", concurrency=1)
    done = eventually(lambda: ended(asked.id), told="it is done")
    assert done is not None
    assert (done.state, done.done, done.skipped, done.failed) == ("done", MANY, 0, 0)
    after = dict(Job.objects.using(site.alias).values_list("id", "token"))
    assert {id: after[id] - before[id] for id in before} == dict.fromkeys(before, 1)
    assert set(site.states().values()) == {"cancelled"}
    if batch:
        eventually(Batch.get(batch).is_complete, told="the batch is complete")
