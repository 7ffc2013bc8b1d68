"""Batches that several touch at the same time, and producers that die: one end, no member left out, all or nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction

from holdfast import Batch, Celery
from holdfast.ledger import publishing, transitions
from holdfast.ledger.connections import aside
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold
from holdfast.results import batch_ends
from holdfast.worker.following import Following
from tests.batched import NOWHERE, app_with_tasks, new_batch
from tests.eventually import eventually
from tests.harness import new_site
from tests.rows import hire
from tests.surroundings import current_app


@pytest.fixture
def app(ledger: str) -> Iterator[Celery]:
    aside._after_fork()
    with current_app(NOWHERE) as app:
        app.outbox.publisher.available = False
        yield app_with_tasks(app, [])


@pytest.fixture
def only_postgres(ledger: str) -> None:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("SQLite has one writer: two transactions never write at the same time")


def running_members(app: Celery, ledger: str, count: int) -> tuple[Batch, list[Hold]]:
    """Return a batch whose members all run."""
    with new_batch(app.tasks.__getitem__) as batch:
        for _ in range(count):
            app.tasks["add"].delay(1)
    publishing.publish_due(limit=100)
    worker = hire()
    rows = Job.objects.using(ledger).filter(batch_id=batch.id).values_list("id", "token")
    claimed = transitions.claim([(*row, False) for row in rows], worker=worker).claimed
    return batch, [Hold(job.id, job.token, worker) for job in claimed]


def beside(ledger: str, work: Callable[[], Any]) -> threading.Thread:
    """Do something in a thread with a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections[ledger].close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def waits_for_a_lock(ledger: str) -> bool:
    with connections[ledger].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def told(ledger: str) -> list[str]:
    """Return the tasks of the callbacks that were recorded."""
    return list(Job.objects.using(ledger).filter(task="told").values_list("id", flat=True))


@pytest.mark.usefixtures("only_postgres")
def test_last_of_two_that_end_at_the_same_time_sees_both(app: Celery, ledger: str) -> None:
    batch, (one, other) = running_members(app, ledger, 2)

    def end_the_other() -> None:
        assert transitions.succeed(other, stored=None)
        batch_ends.look(app, batch.id)

    with transaction.atomic(using=ledger):
        assert transitions.succeed(one, stored=None)
        beside(ledger, end_the_other).join(60)
        assert not batch.is_complete()
    batch_ends.look(app, batch.id)
    assert batch.has_succeeded()
    assert len(told(ledger)) == 2


@pytest.mark.usefixtures("only_postgres")
def test_batch_does_not_end_while_somebody_adds_to_it(app: Celery, ledger: str) -> None:
    batch, (hold,) = running_members(app, ledger, 1)
    assert transitions.succeed(hold, stored=None)
    with transaction.atomic(using=ledger), Batch.get(batch.id):
        # On its way to an end it waits for whoever adds, and looks only then.
        finisher = beside(ledger, lambda: batch_ends.finish(app, batch.id))
        eventually(lambda: waits_for_a_lock(ledger), told="the end waits")
        app.tasks["add"].delay(2)
    finisher.join(60)
    assert not batch.is_complete()
    assert batch.progress().total == 2


def test_many_that_find_the_end_note_it_once(app: Celery, ledger: str) -> None:
    batch, (hold,) = running_members(app, ledger, 1)
    batch_ends.finish(app, batch.id)
    assert not batch.is_complete(), "a member runs"
    assert transitions.succeed(hold, stored=None)
    gate = threading.Barrier(6)

    def finish() -> None:
        gate.wait(60)
        batch_ends.finish(app, batch.id)

    for thread in [beside(ledger, finish) for _ in range(6)]:
        thread.join(60)
    assert batch.has_succeeded()
    assert len(told(ledger)) == 2


def test_look_is_spared_while_many_wait_and_never_for_the_last(
    app: Celery, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_ends, "_spared", {})
    batch, holds = running_members(app, ledger, 3)
    with Batch.get(batch.id) as again:
        again.add(app.tasks["add"].s(n) for n in range(5 * batch_ends.PROCESSES))
    assert transitions.succeed(holds[0], stored=None)
    batch_ends.look(app, batch.id)
    assert len(batch_ends._spared[batch.id]) == 4
    Job.objects.using(ledger).filter(batch_id=batch.id, state__lt=2).update(state=3)
    # At worst so many ends pass unseen, and the loop is there for those.
    for _ in range(4):
        batch_ends.look(app, batch.id)
    for hold in holds[1:]:
        assert transitions.succeed(hold, stored=None)
        batch_ends.look(app, batch.id)
    assert batch.has_succeeded()


def test_looks_of_a_main_process_end_the_batch_before_they_stop(app: Celery, ledger: str) -> None:
    batch, holds = running_members(app, ledger, 3)
    following = Following(app)
    for hold in holds:
        assert transitions.succeed(hold, stored=None)
        following.ended(batch.id)
    following.stop(seconds=60)
    assert batch.has_succeeded()
    assert len(told(ledger)) == 2


def test_look_that_fails_keeps_none_after_it_from_coming(
    app: Celery, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, (hold,) = running_members(app, ledger, 1)
    assert transitions.succeed(hold, stored=None)
    looked = []
    stock = batch_ends.look_after_many

    def look(app: Celery, batch_id: str) -> None:
        looked.append(batch_id)
        if batch_id != batch.id:
            raise OperationalError("gone") if batch_id == "away" else ValueError("unreadable")
        stock(app, batch_id)

    monkeypatch.setattr(batch_ends, "look_after_many", look)
    following = Following(app)
    for batch_id in ("broken", "away", batch.id):
        following.ended(batch_id)
        eventually(following._is_idle, told="it has been looked at")
    following.stop(seconds=60)
    assert looked == ["broken", "away", batch.id]
    assert batch.has_succeeded()


def test_members_that_end_while_a_look_rests_are_one_look_together(
    app: Celery, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, holds = running_members(app, ledger, 8)
    following = Following(app)
    monkeypatch.setattr(following, "_wake", lambda: None)
    looked = []
    stock = batch_ends.look_after_many

    def look(app: Celery, batch_id: str) -> None:
        looked.append(batch_id)
        stock(app, batch_id)

    monkeypatch.setattr(batch_ends, "look_after_many", look)
    pauses = []
    for some in (holds[:1], holds[1:], [], []):
        for hold in some:
            assert transitions.succeed(hold, stored=None)
            following.ended(batch.id)
        pauses.append(following.one_pass())
    assert looked == [batch.id] * 2
    assert pauses == sorted(pauses)
    assert pauses[1] < 1 <= pauses[2] < pauses[3]
    assert batch.has_succeeded()


_PRODUCER = """
from holdfast import Batch
with Batch("half", on_complete=tasks.noop.si()):
    for _ in range(20):
        tasks.noop.delay()
    print("half", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_producer_killed_inside_the_block_leaves_nothing(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request) as site:
        producer = site.process(_PRODUCER)
        producer.await_line("half")
        producer.kill()
        connections[site.alias].close()
        assert site.jobs() == {}
        assert site.redis().dbsize() == 0
        with new_batch_of(site) as batch:
            site.task("noop").delay()
        assert len(list(batch.members())) == 1


def new_batch_of(site: Any) -> Batch:
    return Batch("whole", on_complete=site.task("noop").si())
