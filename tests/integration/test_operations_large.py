"""A queue is purged and a batch is cancelled by an operation: all of it, once, whoever dies, and it can be stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.db.models import F
from django.db.models.functions import Now

from holdfast import Batch, Celery, operations, pausing, purging
from holdfast.exceptions import OperationRefused
from holdfast.ledger import audit, batch_walks, batches, pauses, slices, transitions, walks
from holdfast.ledger import purging as ledger_purging
from holdfast.ledger.limiting import admission
from holdfast.ledger.models import Job
from holdfast.ledger.models.limits import Limited, Place
from holdfast.ledger.models.operations import Operation
from holdfast.ledger.models.pauses import Shelved
from holdfast.ledger.records import Use
from holdfast.ledger.states import State
from holdfast.testing.services import RedisServer
from holdfast.upkeep.completer import Completer
from tests import members
from tests.limited import bound
from tests.machine import crash_before_statement
from tests.operated import now, states
from tests.rows import hire, new_job
from tests.surroundings import shop_app


@pytest.fixture
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    with shop_app(redis_server.url, number=13) as app:
        yield app


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that a few jobs fill."""
    monkeypatch.setattr(walks, "SLICE", 3)
    monkeypatch.setattr(slices, "SLICE", 3)
    monkeypatch.setattr(batch_walks, "PAGE", 3)
    monkeypatch.setattr(ledger_purging, "BATCH", 3)


def record(count: int, *, queue: str = "mail", **more: Any) -> list[str]:
    jobs = [new_job(queue=queue, **more) for _ in range(count)]
    return [ticket.id for ticket in transitions.record(jobs)] if not more else _ids(jobs)


def _ids(jobs: list[Any]) -> list[str]:
    transitions.record(jobs)
    return [job.id for job in jobs]


def places() -> dict[str, list[str]]:
    """Four jobs of the queue in each place where one can wait, some of another queue, and one that runs."""
    (running,) = record(1)
    transitions.claim([(running, 1, False)], worker=hire())
    found = {"queued": record(4), "urgent": record(4, priority=9)}
    pausing.pause(queue="mail")
    found["paused"] = record(4)
    pauses.shelve([(id, 1) for id in found["paused"]])
    pausing.resume(queue="nobody's")
    bound("line", concurrency=1)
    first = new_job(queue="other", hold="limit", limits=(Use("line"),))
    limited = [new_job(queue="mail", hold="limit", limits=(Use("line"),)) for _ in range(4)]
    transitions.record([first, *limited])
    admission.admit("line", stated=lambda _: None)
    found["limited"] = [job.id for job in limited]
    found["due"] = record(4, delay_seconds=60.0)
    found["later"] = record(4, delay_seconds=60.0)
    due = Job.objects.using("ledger").filter(id__in=found["due"])
    due.update(due_at=F("recorded_at"))
    found["other"] = [first.id, *record(4, queue="other"), running]
    return found


# -- purging a queue ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [False, True])
def test_all_that_waits_in_a_queue_is_cancelled_wherever_it_waits(
    app: Celery, *, later: bool
) -> None:
    found = places()
    trial = operations.try_out("purge", "queue:mail", later=later)
    assert (trial.count, trial.exact) == (24 if later else 20, True)
    assert {sample.queue for sample in trial.samples} == {"mail"}
    row = operations.ask("purge", "queue:mail", later=later, actor="ada", reason="a flood")
    assert (row.total, row.options["later"]) == (trial.count, later)

    assert operations.run(app) > 8, "it goes page by page"
    done = now(row)
    assert (done.state, done.done, done.skipped, done.failed) == ("done", trial.count, 0, 0)
    for name in ("queued", "urgent", "paused", "limited", "due"):
        assert states(found[name]) == {"CANCELLED": 4}, name
    assert states(found["later"]) == {"CANCELLED" if later else "HELD": 4}
    assert "CANCELLED" not in states(found["other"])
    assert not Shelved.objects.using("ledger").exists()
    assert not Limited.objects.using("ledger").filter(place=Place.WAITING).exists()
    ended, asked, *_ = audit.lines()
    assert json.loads(asked.detail)["selected"] == {"queue": "mail"}
    assert json.loads(asked.detail)["reason"] == "a flood"
    assert (ended.action, ended.count) == ("operation ended", trial.count)


def test_what_comes_after_the_moment_is_left(app: Celery) -> None:
    first = record(4)
    moment = purging.waiting("mail").until
    new, held = record(2), record(2, delay_seconds=60.0)
    jobs = Job.objects.using("ledger")
    jobs.filter(id__in=new).update(published_at=moment + timedelta(seconds=1))
    jobs.filter(id__in=held).update(recorded_at=moment + timedelta(seconds=1))
    row = operations.ask("purge", "queue:mail", later=True, until=moment, actor="ada")
    operations.run(app)
    assert (now(row).done, states(first)) == (4, {"CANCELLED": 4})
    assert (states(new), states(held)) == ({"QUEUED": 2}, {"HELD": 2})
    ahead = operations.try_out("purge", "queue:mail", until=moment + timedelta(days=1)).until
    assert ahead is not None
    assert ahead < moment + timedelta(hours=1), "what is to come is nobody's choice"


def test_job_that_is_claimed_or_moved_meanwhile_is_left(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = record(5)
    row = operations.ask("purge", "queue:mail", actor="ada")
    worker, page, gone = hire(), ledger_purging.QueueWalk.next_page, list[str]()

    def late(self: ledger_purging.QueueWalk, cursor: str) -> tuple[list[str], str]:
        found = page(self, cursor)
        if not gone:
            gone.extend(found[0][:2])
            transitions.claim([(gone[0], 1, False)], worker=worker)
            Job.objects.using("ledger").filter(id=gone[1]).update(queue="other")
        return found

    monkeypatch.setattr(ledger_purging.QueueWalk, "next_page", late)
    operations.run(app)
    assert (now(row).state, now(row).done) == ("done", 3)
    assert states(gone) == {"RUNNING": 1, "QUEUED": 1}
    assert states(ids) == {"RUNNING": 1, "QUEUED": 1, "CANCELLED": 3}


def test_jobs_of_other_queues_in_the_same_index_are_passed(app: Celery) -> None:
    others = record(7, queue="other", delay_seconds=30.0)
    mine = record(2, delay_seconds=60.0)
    row = operations.ask("purge", "queue:mail", later=True, actor="ada")
    for _ in range(20):
        slices.work(lambda _: None)
    assert (now(row).state, states(mine)) == ("done", {"CANCELLED": 2})
    assert states(others) == {"HELD": 7}


def test_death_between_any_two_statements_purges_each_job_once(app: Celery) -> None:
    ids = record(5) + record(4, delay_seconds=60.0)
    row = operations.ask("purge", "queue:mail", later=True, actor="ada")
    for statement in range(60):
        with crash_before_statement("ledger", statement % 30):
            slices.work(lambda _: None)
        connections["ledger"].close()
    operations.run(app)
    assert (now(row).state, now(row).done, now(row).skipped) == ("done", 9, 0)
    tokens = Job.objects.using("ledger").filter(id__in=ids).values_list("token", flat=True)
    assert set(tokens) == {2}, "each has moved once"


def test_job_that_somebody_holds_is_purged_when_it_is_free(
    app: Celery, ledger_url: str, ledger: str
) -> None:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("SQLite locks no rows")
    ids = record(7)
    row = operations.ask("purge", "queue:mail", actor="ada")
    with psycopg.connect(ledger_url) as holder:
        holder.execute("SELECT 1 FROM holdfast_job WHERE id = ANY(%s) FOR UPDATE", [ids[:2]])
        operations.run(app)
        assert (now(row).state, now(row).done, now(row).put_off) == ("running", 5, 2)
    operations.run(app)
    assert (now(row).state, now(row).done) == ("done", 7)


def test_stopped_purge_cancels_no_more(app: Celery) -> None:
    ids = record(7)
    row = operations.ask("purge", "queue:mail", actor="ada")
    slices.work(lambda _: None)
    assert operations.stop(row.id, actor="grace")
    assert operations.run(app) == 0
    assert states(ids) == {"CANCELLED": 3, "QUEUED": 4}


@pytest.mark.parametrize(
    ("kind", "filter", "more", "told"),
    [
        ("purge", "task:t", {}, "queue:NAME"),
        ("purge", "queue:mail task:t", {}, "take cancel"),
        ("purge", "", {"everything": True}, "queue:NAME"),
        ("cancel-batch", "queue:mail", {}, "batch:NAME"),
        ("cancel-batch", "batch:nobody's", {}, "There is no batch nobody's"),
        ("cancel-batch", "batch:b", {"running": "kill"}, "leave, ask, stop"),
    ],
)
def test_filter_of_another_kind_is_refused(
    app: Celery, kind: str, filter: str, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(OperationRefused, match=told):
        operations.ask(kind, filter, actor="ada", **more)
    assert operations.listed() == []


# -- cancelling a batch -------------------------------------------------------------------------------------------


def tree(callbacks: str = "{}") -> dict[str, list[str]]:
    """A batch with one inside, each with members that wait in every way, that run and that are over."""
    members.batch("sales", name="sales", callbacks=callbacks)
    members.batch("inner", parent_id="sales")
    found: dict[str, list[str]] = {"waiting": [], "running": [], "over": []}
    for batch in ("sales", "inner"):
        for state, many, place in (
            (State.HELD, 4, "waiting"),
            (State.QUEUED, 7, "waiting"),
            (State.RUNNING, 2, "running"),
            (State.SUCCEEDED, 5, "over"),
        ):
            prefix = f"{batch}-{state.name.lower()}"
            found[place] += members.members(prefix, many, state, batch_id=batch)
    found["others"] = members.members("other", 3, State.QUEUED)
    return found


@pytest.mark.parametrize("running", ["leave", "ask", "stop"])
def test_all_members_are_cancelled_and_running_ones_as_it_was_said(
    app: Celery, running: str
) -> None:
    found = tree()
    wanted = 26 if running != "leave" else 22
    trial = operations.try_out("cancel-batch", {"batch": "sales"}, running=running)
    assert (trial.count, trial.exact) == (wanted, True)
    row = operations.ask("cancel-batch", "batch:sales", running=running, actor="ada", reason="no")
    assert row.total == wanted
    assert Batch.get("inner").row().cancelled_at is not None, "from now on, also for new members"

    assert operations.run(app) >= 8, "it goes page by page"
    assert (now(row).state, now(row).done, now(row).skipped) == ("done", wanted, 0)
    assert states(found["waiting"]) == {"CANCELLED": 22}
    assert states(found["running"]) == {"CANCELLED" if running == "stop" else "RUNNING": 4}
    asked = Job.objects.using("ledger").filter(cancel_asked_at__isnull=False)
    assert asked.count() == (4 if running == "ask" else 0)
    assert (states(found["over"]), states(found["others"])) == ({"SUCCEEDED": 10}, {"QUEUED": 3})
    assert Batch.get("sales").row().cancelling is None
    (ended, said) = audit.lines()
    assert (said.actor, json.loads(said.detail)["selected"]) == ("ada", {"batch": "sales"})
    assert ended.count == wanted


def test_loop_leaves_the_members_to_the_operation_and_has_the_end_of_the_batch(
    app: Celery,
) -> None:
    found = tree(json.dumps({"complete": app.tasks["shop.charge"].si("4242", 7)}))
    Job.objects.using("ledger").filter(id__in=found["running"]).update(state=State.SUCCEEDED)
    row = operations.ask("cancel-batch", "batch:sales", actor="ada")
    completer = Completer(app.backend.finish_batch)
    assert completer.one_pass() == 0
    app.backend.finish_batch("sales")
    assert states(found["waiting"]) == {"HELD": 8, "QUEUED": 14}
    slices.work(lambda _: None)
    assert completer.one_pass() == 0

    operations.run(app)
    assert now(row).done == 22
    # One that came while it went on, behind where it was: the loop's, again.
    late = members.members("sales-a", 1, State.HELD, batch_id="sales")
    for _ in range(3):
        completer.one_pass()
    assert states(late) == {"CANCELLED": 1}
    sales = Batch.get("sales")
    assert (sales.is_complete(), sales.callback("complete") is not None) == (True, True)


def test_stopped_operation_lets_the_rest_of_the_batch_live(app: Celery) -> None:
    found = tree()
    row = operations.ask("cancel-batch", "batch:sales", actor="ada")
    slices.work(lambda _: None)
    assert operations.stop(row.id, actor="grace")
    assert operations.run(app) == 0
    Completer(app.backend.finish_batch).one_pass()
    assert states(found["waiting"]) == {"CANCELLED": 3, "HELD": 5, "QUEUED": 14}
    for batch in ("sales", "inner"):
        left = Batch.get(batch).row()
        assert (left.cancelled_at, left.cancelling) == (None, None)


def test_batch_that_was_cancelled_before_stays_so_when_an_operation_is_stopped(
    app: Celery,
) -> None:
    tree()
    batches.cancel(["inner"])
    row = operations.ask("cancel-batch", "batch:sales", actor="ada")
    assert Batch.get("inner").row().cancelling is None
    operations.stop(row.id, actor="grace")
    assert Batch.get("inner").row().cancelled_at is not None
    assert Batch.get("sales").row().cancelled_at is None


def test_operation_that_fails_leaves_the_members_to_the_loop(app: Celery) -> None:
    found = tree()
    row = operations.ask("cancel-batch", "batch:sales", actor="ada")
    Operation.objects.using("ledger").update(cursor="no place")
    operations.run(app)
    assert now(row).state == "failed"
    completer = Completer(app.backend.finish_batch)
    completer.one_pass()
    assert states(found["waiting"]) == {"CANCELLED": 22}


def test_death_between_any_two_statements_cancels_each_member_once(app: Celery) -> None:
    found = tree()
    row = operations.ask("cancel-batch", "batch:sales", running="stop", actor="ada")
    for statement in range(60):
        with crash_before_statement("ledger", statement % 30):
            slices.work(lambda _: None)
        connections["ledger"].close()
    operations.run(app)
    assert (now(row).state, now(row).done, now(row).skipped) == ("done", 26, 0)
    ids = found["waiting"] + found["running"]
    tokens = Job.objects.using("ledger").filter(id__in=ids).values_list("token", flat=True)
    assert set(tokens) == {2}
    assert Batch.get("sales").row().cancelling is None


def test_batch_that_is_deleted_meanwhile_ends_its_operation(app: Celery) -> None:
    tree()
    row = operations.ask("cancel-batch", "batch:sales", actor="ada")
    slices.work(lambda _: None)
    Job.objects.using("ledger").filter(batch_id="inner").delete()
    batches._rows().filter(id="inner").delete()
    operations.run(app)
    assert now(row).state == "done"
    assert Batch.get("sales").progress().held + Batch.get("sales").progress().queued == 0


def test_large_tree_takes_a_bounded_number_of_looks_for_a_slice(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_walks, "LOOKS", 5)
    members.batch("root")
    for number in range(20):
        members.batch(f"in-{number:02}", parent_id="root")
    (last,) = members.members("z", 1, State.QUEUED, batch_id="in-19")
    row = operations.ask("cancel-batch", "batch:root", actor="ada")
    with members.statements() as sent:
        slices.work(lambda _: None)
    assert sum("batch_id" in sql and "LIMIT 3" in sql for sql in sent) == 5
    operations.run(app)
    assert (now(row).done, states([last])) == (1, {"CANCELLED": 1})


# -- replaying a batch --------------------------------------------------------------------------------------------


def test_dead_letters_of_a_batch_and_of_those_inside_are_replayed_once(app: Celery) -> None:
    found = tree()
    failed = members.members("f", 7, State.FAILED, batch_id="sales")
    dead = members.members("d", 4, State.DEAD, batch_id="inner")
    others = members.members("o", 2, State.FAILED)
    trial = operations.try_out("replay-batch", "batch:sales")
    assert (trial.count, trial.exact) == (11, True)
    row = operations.ask("replay-batch", "batch:sales", actor="ada")
    # One fails again before the walk comes to the dead ones, and is dead: it was replayed once.
    assert slices.work(lambda _: None) is not None
    again = next(id for id in failed if states([id]) == {"QUEUED": 1})
    ended = Now() + timedelta(seconds=1)
    Job.objects.using("ledger").filter(id=again).update(state=State.DEAD, finished_at=ended)

    operations.run(app)
    assert (now(row).state, now(row).done) == ("done", 11)
    assert states(failed) == {"QUEUED": 6, "DEAD": 1}
    assert (states(dead), states(others)) == ({"QUEUED": 4}, {"FAILED": 2})
    assert states(found["over"]) == {"SUCCEEDED": 10}
    assert Batch.get("sales").row().cancelled_at is None
    with pytest.raises(OperationRefused, match="take replay"):
        operations.ask("replay-batch", "task:t", actor="ada")
