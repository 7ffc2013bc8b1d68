"""What is cancelled by a handle, by Celery's own ways and by the command, and who is told of it when."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from celery import chain, chord, group
from celery.app.control import Control
from celery.contrib.abortable import AbortableAsyncResult
from celery.exceptions import SoftTimeLimitExceeded
from celery.result import AsyncResult, GroupResult
from django.core.management import call_command
from django.db import transaction

import holdfast
from holdfast import Celery, api
from holdfast.dispatch.trees import ids_of
from holdfast.ledger import audit, interventions, transitions, wishes
from holdfast.ledger.database import alias
from holdfast.ledger.models import Job
from holdfast.ledger.records import StoredResult
from holdfast.ledger.states import State
from holdfast.ledger.wishes import Standing
from holdfast.lineage import running
from holdfast.policies import aborting
from holdfast.testing.services import RedisServer
from tests.rows import hire, new_job
from tests.surroundings import current_app
from tests.wishing import ask, run_one, state_of


@pytest.fixture
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    with current_app(f"{redis_server.url.rpartition('/')[0]}/12") as app:
        app.outbox.publisher.client().flushdb()

        @app.task(name="tests.step", shared=False)
        def step(value: int = 0) -> int:
            return value

        yield app


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def test_abort_of_celery_is_the_same_wish(app: Celery, worker: UUID) -> None:
    hold = run_one(worker)
    waiting = app.tasks["tests.step"].apply_async(countdown=60)
    result: AbortableAsyncResult[Any] = AbortableAsyncResult(hold.id, backend=app.backend)
    assert not result.is_aborted()

    result.abort()
    AbortableAsyncResult(waiting.id, backend=app.backend).abort()

    assert result.is_aborted()
    assert result.state == "ABORTED"
    assert not result.ready()
    assert app.tasks["tests.step"].is_aborted(task_id=hold.id)
    assert not app.tasks["tests.step"].is_aborted(task_id=waiting.id)
    assert wishes.standing(hold) is Standing.ASKED_TO_STOP
    assert waiting.state == "REVOKED"


def test_progress_stays_to_be_seen_after_the_wish(app: Celery, worker: UUID) -> None:
    hold = run_one(worker)
    stored = StoredResult(
        status="PROGRESS",
        result=b'{"done": 1}',
        content_type="application/json",
        content_encoding="utf-8",
    )
    transitions.store_result(hold.id, stored, hold=hold)
    ask(hold)
    assert AsyncResult(hold.id, app=app).info == {"done": 1}


# -- trees --------------------------------------------------------------------------------------------


def test_handle_stands_for_all_of_its_tree(app: Celery) -> None:
    step = app.tasks["tests.step"]
    members: GroupResult = group([step.s(1), step.s(2)], app=app).delay()
    of_chain = chain(step.s(1), step.s(), step.s(), app=app).delay()
    of_chord = chord([step.s(1), step.s(2)], step.s(), app=app).delay()

    assert set(ids_of(members)) == {result.id for result in members.results}
    steps = [of_chain.parent.parent.id, of_chain.parent.id, of_chain.id]
    assert set(ids_of(of_chain)) == set(steps)
    header = {result.id for result in of_chord.parent.results}
    assert set(ids_of(of_chord)) == {of_chord.id, *header}
    assert set(ids_of([members, [of_chain], "bare"])) == {*ids_of(members), *steps, "bare"}
    with pytest.raises(TypeError, match="is no job"):
        ids_of([7])


def test_cancelled_trees_leave_nothing_open(app: Celery) -> None:
    step = app.tasks["tests.step"]
    trees = [
        group([step.s(1), step.s(2)], app=app).delay(),
        chain(step.s(1), step.s(), app=app).delay(),
        chord([step.s(1), step.s(2)], step.s(), app=app).delay(),
    ]
    holdfast.cancel(trees, actor="ada")
    assert {row.state for row in Job.objects.using(alias())} == {State.CANCELLED}
    assert {line.action for line in audit.lines()} == {"cancel"}


def test_very_many_jobs_are_cancelled_in_parts(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "CHUNK", 2)
    step = app.tasks["tests.step"]
    tree = chord([chain(step.s(n), step.s(), app=app) for n in range(3)], step.s(), app=app).delay()
    with mock.patch.object(interventions, "cancel", wraps=interventions.cancel) as parts:
        holdfast.cancel(tree)
    assert len(parts.call_args_list) > 1
    assert all(len(list(call.args[0])) <= 2 for call in parts.call_args_list)
    assert {row.state for row in Job.objects.using(alias())} == {State.CANCELLED}


@pytest.mark.parametrize("chunk", [1, 1000])
def test_step_that_ends_while_its_chain_is_cancelled_takes_no_step_further(
    app: Celery, worker: UUID, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "CHUNK", chunk)
    of_chain = chain(
        app.tasks["tests.step"].s(1), app.tasks["tests.step"].s(), app=app
    ).apply_async(countdown=60)
    cancel, first = interventions.cancel, of_chain.parent.id
    calls = []

    def late(ids: Any, **options: Any) -> Any:
        calls.append(ids)
        if len(calls) == 1:
            # The first step ended, and recorded the second one, before its row could be locked.
            interventions.forget(first)
            Job.objects.using(alias()).filter(id=first).update(state=State.SUCCEEDED)
            transitions.record([new_job(of_chain.id)])
        return cancel(ids, **options)

    with mock.patch.object(interventions, "cancel", late):
        holdfast.cancel(of_chain)

    assert state_of(first) is State.SUCCEEDED
    assert state_of(of_chain.id) is State.CANCELLED


def test_workers_are_told_when_the_cancelling_is_committed(app: Celery, worker: UUID) -> None:
    kept, cancelled = run_one(worker), run_one(worker)
    with mock.patch.object(Control, "revoke") as told:
        with transaction.atomic(using=alias()):
            holdfast.cancel(kept.id)
            transaction.set_rollback(True, using=alias())
        assert not told.called
        with transaction.atomic(using=alias()):
            holdfast.cancel(cancelled.id)
            assert not told.called
        assert told.call_args.args == ([cancelled.id],)
    assert [state_of(kept.id), state_of(cancelled.id)] == [State.RUNNING, State.CANCELLED]


def test_cancelling_does_without_the_broker(
    ledger: str, worker: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    hold, other = run_one(worker), run_one(worker)
    with current_app("redis://127.0.0.1:1/0"), mock.patch.object(Control, "revoke") as told:
        holdfast.cancel(hold.id)
        holdfast.cancel([other.id, "of no ledger"])
        assert told.call_count == 0
        holdfast.cancel("of no ledger")
        assert told.call_count == 1, "that is Celery's own to refuse"
    assert [state_of(hold.id), state_of(other.id)] == [State.CANCELLED] * 2
    assert "at their next heartbeat" in caplog.text
    assert "1 ids that it does not know cannot be revoked" in caplog.text


def test_command_asks_stops_or_leaves_what_runs(app: Celery, worker: UUID) -> None:
    stopped, asked, kept = (run_one(worker) for _ in range(3))
    waiting = app.tasks["tests.step"].apply_async(countdown=60)
    said = {
        hold.id: _command("cancel", hold.id, waiting.id, *words, "--yes", "--actor", "ada")
        for hold, words in ((kept, ["--keep-running"]), (asked, ["--ask"]), (stopped, []))
    }
    assert f"{kept.id} is running\n" in said[kept.id]
    assert f"{asked.id} is running and was asked to stop\n" in said[asked.id]
    assert f"{stopped.id} is cancelled\n" in said[stopped.id]
    assert wishes.asked_among([kept.id, asked.id]) == {asked.id}
    assert state_of(waiting.id) is State.CANCELLED


def _command(*words: str) -> str:
    out = StringIO()
    call_command("holdfast", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.mark.parametrize("index", [None, 0])
def test_soft_time_limit_is_told_once_where_nothing_else_does(
    app: Celery, worker: UUID, index: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(aborting, "monotonic", lambda: clock[0])
    monkeypatch.setattr(aborting, "current_process", lambda: SimpleNamespace(index=index))
    task, request = SimpleNamespace(soft_time_limit=1.0), SimpleNamespace(timelimit=[9.0, 3.0])
    with running(run_one(worker), aborting.soft_limit(task, request)):
        clock[0] = 2.9
        assert not holdfast.is_aborted()
        clock[0] = 3.0
        if index is None:
            with pytest.raises(SoftTimeLimitExceeded):
                holdfast.is_aborted()
        assert not holdfast.is_aborted(), "what cleans up after it may ask"
