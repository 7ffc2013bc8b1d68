"""What is done to all jobs that match: each once, slice by slice, whoever dies, and nothing that was not meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.db.models import F
from django.db.models.functions import Now

from holdfast import Celery, operations
from holdfast.exceptions import OperationRefused, SelectionRefused
from holdfast.ledger import audit, slices, transitions, walks
from holdfast.ledger import operations as ledger_operations
from holdfast.ledger.models import Job, Payload
from holdfast.ledger.models.operations import Operation
from holdfast.ledger.records import Hold
from holdfast.ledger.states import State
from holdfast.testing.services import RedisServer
from tests.machine import crash_before_statement
from tests.operated import ask, dead_letters, now, states, tokens, waiting
from tests.rows import hire, new_job
from tests.surroundings import shop_app


@pytest.fixture
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    with shop_app(redis_server.url, number=13) as app:
        yield app


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices and windows that a few jobs fill."""
    monkeypatch.setattr(walks, "SLICE", 3)
    monkeypatch.setattr(slices, "SLICE", 3)
    monkeypatch.setattr(walks, "WINDOW", 4)


# -- what each kind does ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [1, 3, 4, 11])
def test_every_match_is_replayed_once_and_no_other(app: Celery, small: None, many: int) -> None:
    mine, others = dead_letters(many, task="mine"), dead_letters(3, task="other")
    before = tokens(mine + others)
    asked = ask("replay", {"task": "mine"}, reason="the gateway is back")
    assert (asked.state, asked.total, asked.total_exact) == ("running", many, True)

    assert operations.run(app) >= 1
    done = now(asked)
    assert (done.state, done.done, done.skipped, done.failed) == ("done", many, 0, 0)
    assert (done.share, bool(done.ended_at)) == (1.0, True)
    after = tokens(mine + others)
    assert {id: after[id] - before[id] for id in after} == dict.fromkeys(mine, 1) | dict.fromkeys(
        others, 0
    )
    on_the_broker = app.outbox.publisher.client().lrange("q", 0, -1)
    assert {json.loads(message)["headers"]["id"] for message in on_the_broker} == set(mine)
    assert operations.run(app) == 0


@pytest.mark.parametrize("kind", ["cancel", "discard"])
def test_few_that_match_are_found_among_many_that_do_not(
    app: Celery, small: None, kind: str
) -> None:
    make = waiting if kind == "cancel" else dead_letters
    others = make(9, task="other")
    mine = make(2, task="mine")
    others += make(9, task="other")
    row = ask(kind, {"task": "mine"})
    assert operations.run(app) >= 5
    assert (now(row).done, states(mine)) == (2, {"CANCELLED": 2})
    assert "CANCELLED" not in states(others)


def test_what_arrives_or_ends_after_it_was_asked_is_left_alone(app: Celery) -> None:
    first = dead_letters(2)
    asked = ask("replay", {"task": "t"})
    later = dead_letters(2)
    Job.objects.using("ledger").filter(id__in=later).update(
        finished_at=Now() + timedelta(seconds=5)
    )
    cancel = ask("cancel", {"queue": "late"})
    new = waiting(2, queue="late")
    Job.objects.using("ledger").filter(id__in=new).update(recorded_at=Now() + timedelta(seconds=5))
    operations.run(app)
    assert (states(first), states(later)) == ({"QUEUED": 2}, {"FAILED": 2})
    assert states(new) == {"QUEUED": 2}
    assert (now(asked).done, now(cancel).done, now(cancel).state) == (2, 0, "done")


def test_succeeded_jobs_are_replayed_only_where_they_are_named(app: Celery) -> None:
    worker, (failed,) = hire(), dead_letters(1)
    (ticket,) = transitions.record([new_job()])
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    transitions.succeed(Hold(job.id, job.token, worker), stored=None)
    ask("replay", {"task": "t"})
    operations.run(app)
    assert (states([failed]), states([job.id])) == ({"QUEUED": 1}, {"SUCCEEDED": 1})
    ask("replay", {"task": "t", "state": ["succeeded"]})
    operations.run(app)
    assert states([job.id]) == {"QUEUED": 1}


def test_waiting_jobs_are_cancelled_and_running_ones_as_it_was_said(
    app: Celery, small: None
) -> None:
    worker, ids = hire(), waiting(5)
    held = [t for t in ids if t == ids[0]]
    Job.objects.using("ledger").filter(id__in=held).update(state=State.HELD, hold="limit")
    (runs, *_) = transitions.claim([(ids[-1], 1, False)], worker=worker).claimed

    row = ask("cancel", {"task": "t"})
    operations.run(app)
    assert (states(ids), now(row).done) == ({"CANCELLED": 4, "RUNNING": 1}, 4)
    row = ask("cancel", {"task": "t"}, running="ask")
    operations.run(app)
    assert Job.objects.using("ledger").get(id=runs.id).cancel_asked_at is not None
    row = ask("cancel", {"task": "t"}, running="stop")
    operations.run(app)
    assert (states(ids), now(row).done) == ({"CANCELLED": 5}, 1)


def test_dead_letters_are_discarded_in_pages_that_end_in_the_same_instant(
    app: Celery, small: None
) -> None:
    ids = dead_letters(10)
    Job.objects.using("ledger").filter(id__in=ids).update(finished_at=Now() - timedelta(seconds=5))
    (job, *_) = Job.objects.using("ledger").filter(id__in=ids)
    row = ask("discard", {"fingerprint": job.fingerprint})
    operations.run(app)
    assert (states(ids), now(row).done) == ({"CANCELLED": 10}, 10)


def test_jobs_are_put_on_another_queue_and_those_there_are_left(app: Celery, small: None) -> None:
    ids, there = waiting(7, queue="slow"), waiting(2, queue="fast")
    row = ask("queue", {"task": "t"}, queue="fast")
    operations.run(app)
    assert set(Job.objects.using("ledger").values_list("queue", flat=True)) == {"fast"}
    assert (now(row).done, now(row).skipped) == (7, 2)
    assert set(tokens(there).values()) == {1}
    assert app.outbox.publisher.client().llen("fast") == 7
    row = ask("priority", {"queue": "fast"}, priority=3)
    operations.run(app)
    assert (now(row).done, set(tokens(ids).values())) == (9, {3})


def test_jobs_are_chosen_by_what_they_were_called_with(app: Celery, small: None) -> None:
    ids = dead_letters(8)
    for number, id in enumerate(ids):
        Payload.objects.using("ledger").filter(job=id).update(body=b"[[%d], {}, {}]" % (number % 2))
    row = ask("discard", "args.0:1")
    assert (row.total, row.total_exact) == (4, True)
    operations.run(app)
    assert (now(row).done, now(row).skipped) == (4, 0)
    assert (states(ids[1::2]), states(ids[::2])) == ({"CANCELLED": 4}, {"FAILED": 4})


def test_jobs_that_an_index_names_are_walked_in_slices_too(app: Celery, small: None) -> None:
    members = waiting(8, batch_id="b")
    others = waiting(2)
    row = ask("cancel", {"batch": "b"})
    operations.run(app)
    assert (now(row).done, states(members)) == (8, {"CANCELLED": 8})
    row = ask("queue", {"id": others}, queue="other")
    operations.run(app)
    assert (now(row).done, states(others)) == (2, {"QUEUED": 2})


def test_time_that_is_said_as_ago_is_meant_as_of_when_it_was_asked(app: Celery) -> None:
    ids = waiting(2)
    rows = Job.objects.using("ledger")
    rows.filter(id=ids[0]).update(recorded_at=Now() - timedelta(minutes=59))
    row = ask("cancel", {"until": "30m"})
    # It is worked off an hour later: by then all of them are as old as that.
    rows.update(recorded_at=F("recorded_at") - timedelta(hours=1))
    Operation.objects.using("ledger").update(asked_at=F("asked_at") - timedelta(hours=1))
    operations.run(app)
    assert (now(row).done, states(ids)) == (1, {"CANCELLED": 1, "QUEUED": 1})


def test_filter_that_matches_nothing_is_done_at_once(app: Celery) -> None:
    dead_letters(1)
    for filter in ({"task": "nobody's"}, {"task": "t", "state": ["running"]}):
        row = ask("discard", filter)
        assert (row.total, row.total_exact) == (0, True)
        operations.run(app)
        assert (now(row).state, now(row).done, now(row).skipped) == ("done", 0, 0)


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "filter", "more", "told"),
    [
        ("replay", {}, {}, "every job there is"),
        ("discard", {"state": ["failed"]}, {}, "every job there is"),
        ("repaly", {"task": "t"}, {}, "did you mean 'replay'"),
        ("queue", {"task": "t"}, {}, "Say queue"),
        ("queue", {"task": "t"}, {"queue": ""}, "no name of a queue"),
        ("priority", {"task": "t"}, {"priority": 12}, "no priority"),
        ("cancel", {"task": "t"}, {"running": "kill"}, "leave, ask, stop"),
        ("replay", {"tsak": "t"}, {}, "tsak"),
    ],
)
def test_what_was_not_meant_is_refused(
    app: Celery, kind: str, filter: dict[str, Any], more: dict[str, Any], told: str
) -> None:
    with pytest.raises((OperationRefused, SelectionRefused), match=told):
        ask(kind, filter, **more)
    assert operations.listed() == []


def test_everything_is_done_where_that_is_said(app: Celery) -> None:
    ids = dead_letters(3)
    ask("replay", {}, everything=True)
    operations.run(app)
    assert states(ids) == {"QUEUED": 3}


def test_trial_counts_and_shows_some_and_changes_nothing(app: Celery) -> None:
    ids = dead_letters(7) + waiting(2)
    before = tokens(ids)
    found = operations.try_out("replay", {"task": "t"})
    assert (found.count, found.exact, len(found.samples)) == (7, True, 5)
    assert {sample.id for sample in found.samples} < set(ids)
    assert {sample.state for sample in found.samples} == {"failed"}
    assert (tokens(ids), operations.listed()) == (before, [])


# -- what happens on the way --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["replay", "cancel", "discard", "queue"])
def test_death_between_any_two_statements_moves_each_job_once(
    app: Celery, small: None, kind: str
) -> None:
    ids = waiting(5) if kind in {"cancel", "queue"} else dead_letters(5)
    before = tokens(ids)
    row = ask(kind, {"task": "t"}, queue="other" if kind == "queue" else None)
    for statement in range(60):
        with crash_before_statement("ledger", statement % 30):
            slices.work(lambda _: None)
        connections["ledger"].close()
    operations.run(app)
    assert (now(row).state, now(row).done, now(row).skipped) == ("done", 5, 0)
    assert {id: token - before[id] for id, token in tokens(ids).items()} == dict.fromkeys(ids, 1)
    assert [line.action for line in audit.lines()] == ["operation ended", "operation"]


def test_two_that_work_at_once_move_each_job_once(app: Celery, small: None) -> None:
    ids = waiting(40)
    before = tokens(ids)
    row = ask("queue", {"task": "t"}, queue="other")

    def work() -> None:
        try:
            while now(row).state == "running":
                slices.work(lambda _: None)
        finally:
            connections["ledger"].close()

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(work) for _ in range(2)]:
            each.result(60)
    assert (now(row).done, now(row).skipped) == (40, 0)
    assert {id: token - before[id] for id, token in tokens(ids).items()} == dict.fromkeys(ids, 1)


def test_operation_that_somebody_works_on_is_left_to_them(
    app: Celery, ledger_url: str, ledger: str
) -> None:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("SQLite has one writer: nobody else can begin a slice")
    first, second = dead_letters(1, task="a"), dead_letters(1, task="b")
    row = ask("replay", {"task": "a"})
    ask("replay", {"task": "b"})
    with psycopg.connect(ledger_url) as other:
        other.execute("SELECT 1 FROM holdfast_operation WHERE id = %s FOR UPDATE", [row.id])
        assert operations.run(app) == 1
        assert (states(first), states(second)) == ({"FAILED": 1}, {"QUEUED": 1})
    assert operations.run(app) == 1
    assert states(first) == {"QUEUED": 1}


def test_job_that_a_transaction_holds_is_waited_for_by_the_operation_alone(
    app: Celery, ledger_url: str, ledger: str, small: None
) -> None:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("SQLite locks no rows")
    ids, others = waiting(7), waiting(1, task="other")
    row = ask("cancel", {"task": "t"})
    ask("cancel", {"task": "other"})
    with psycopg.connect(ledger_url) as holder:
        holder.execute("SELECT 1 FROM holdfast_job WHERE id = ANY(%s) FOR UPDATE", [ids[:2]])
        operations.run(app)
        assert (now(row).state, now(row).done, now(row).put_off) == ("running", 5, 2)
        assert states(others) == {"CANCELLED": 1}
        # One of them is moved by who holds it.
        holder.execute("UPDATE holdfast_job SET state = 3 WHERE id = %s", [ids[0]])
    operations.run(app)
    assert (now(row).state, now(row).done, now(row).skipped) == ("done", 6, 1)
    assert states(ids) == {"CANCELLED": 6, "SUCCEEDED": 1}


def test_job_that_cannot_be_moved_is_counted_and_keeps_no_other(app: Celery, small: None) -> None:
    ids = dead_letters(5)
    Payload.objects.using("ledger").filter(job=ids[1]).update(headers='{"retries": broken')
    row = ask("replay", {"task": "t"})
    operations.run(app)
    assert (now(row).state, now(row).done, now(row).failed) == ("done", 4, 1)
    assert ids[1] in now(row).error
    assert states(ids) == {"QUEUED": 4, "FAILED": 1}


def test_operation_that_cannot_be_read_fails_and_holds_up_no_other(app: Celery) -> None:
    ids = dead_letters(1)
    row = ask("replay", {"task": "t"})
    Operation.objects.using("ledger").update(filter='{"of a later release": 1}')
    other = ask("replay", {"task": "t"})
    operations.run(app)
    assert (now(row).state, now(other).state) == ("failed", "done")
    assert "of a later release" in now(row).error
    assert states(ids) == {"QUEUED": 1}


def test_stopped_operation_moves_no_more(app: Celery, small: None) -> None:
    ids = dead_letters(7)
    row = ask("discard", {"task": "t"})
    slices.work(lambda _: None)
    assert operations.stop(row.id, actor="grace")
    assert not operations.stop(row.id, actor="grace")
    assert operations.run(app) == 0
    assert (now(row).state, now(row).done) == ("stopped", 3)
    assert states(ids) == {"CANCELLED": 3, "FAILED": 4}
    (line, *_) = audit.lines()
    assert (line.action, line.actor, line.count) == ("operation ended", "grace", 3)
    with pytest.raises(OperationRefused, match="no operation 999"):
        operations.stop(999, actor="grace")


def test_audit_says_who_asked_for_what_and_what_came_of_it(app: Celery) -> None:
    dead_letters(2)
    row = ask("replay", {"task": "t"}, reason="outage")
    operations.run(app)
    ended, asked = audit.lines()
    assert (asked.action, asked.actor, asked.count) == ("operation", "ada", 2)
    said = json.loads(asked.detail)
    assert said["operation"] == row.id
    assert (said["kind"], said["selected"], said["reason"]) == ("replay", {"task": "t"}, "outage")
    assert (ended.action, ended.actor, ended.count) == ("operation ended", "ada", 2)


def test_operations_of_long_ago_are_deleted(app: Celery) -> None:
    old, recent = ask("replay", {"task": "t"}), ask("replay", {"task": "t"})
    operations.run(app)
    under_way = ask("replay", {"task": "t"})
    rows = Operation.objects.using("ledger")
    rows.filter(id=old.id).update(ended_at=Now() - timedelta(days=2))
    assert ledger_operations.prune(older_than=timedelta(days=1), limit=10) == 1
    assert {row.id for row in operations.listed()} == {recent.id, under_way.id}
