"""Batches on both databases, without workers: who is a member, which end comes when, and what it calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import TimeoutError as WaitedTooLong
from django.db import transaction

import holdfast
from holdfast import Batch, Celery, current_batch
from holdfast.exceptions import BatchError, BatchNotFound
from holdfast.ledger import audit, interventions
from holdfast.results import batch_ends
from holdfast.testing import HoldfastJobs
from holdfast.upkeep.completer import Completer
from tests.batched import NOWHERE, app_with_tasks, new_batch
from tests.surroundings import current_app


@pytest.fixture
def heard() -> list[str]:
    """What the callbacks and bodies said, in their order."""
    return []


@pytest.fixture
def app(ledger: str, heard: list[str]) -> Iterator[Celery]:
    with current_app(NOWHERE) as app:
        yield app_with_tasks(app, heard)


@pytest.fixture
def jobs(app: Celery) -> Iterator[HoldfastJobs]:
    with HoldfastJobs() as jobs:
        yield jobs


@pytest.fixture
def task(app: Celery) -> Any:
    return app.tasks.__getitem__


@pytest.fixture
def run(jobs: HoldfastJobs) -> Any:
    return lambda: jobs.drain(raise_errors=False)


# -- ends ----------------------------------------------------------------------------------------------


def test_last_member_completes_the_batch_and_each_callback_is_called_once(
    task: Any, run: Any, heard: list[str]
) -> None:
    with new_batch(task) as batch:
        sent = [task("add").delay(n, n) for n in range(5)]
    assert not batch.is_complete()
    assert [batch.progress().total, batch.progress().queued] == [5, 5]
    run()
    assert batch.is_complete()
    assert batch.has_succeeded()
    assert not batch.has_failed()
    assert sorted(heard) == ["complete of b", "success of b"]
    assert {member.id for member in batch.members()} == {result.id for result in sent}
    assert batch.progress().succeeded == batch.progress().done == 5
    assert batch.progress().fraction == 1.0
    assert batch.callback("success") is not None
    assert batch.callback("failure") is None
    run()
    assert len(heard) == 2


def test_block_that_rolls_back_leaves_nothing(task: Any, run: Any, ledger: str) -> None:
    batch = new_batch(task)

    def fail_in_the_block() -> None:
        with batch:
            task("add").delay(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_block()
    with pytest.raises(BatchNotFound, match="rolled back"):
        batch.row()
    outer = new_batch(task)
    with transaction.atomic(using=ledger):
        with outer:
            task("add").delay(1)
        transaction.set_rollback(True, using=ledger)
    with pytest.raises(BatchNotFound):
        Batch.get(outer.id)
    assert run() == 0
    with batch:
        task("add").delay(1)
    run()
    assert batch.has_succeeded(), "the same object may be tried again"


def test_batch_without_members_is_complete_at_the_end_of_its_block(
    task: Any, run: Any, heard: list[str]
) -> None:
    with new_batch(task) as batch:
        pass
    assert batch.has_succeeded()
    assert batch.progress().fraction == 1.0
    run()
    assert sorted(heard) == ["complete of b", "success of b"]


def test_first_failure_is_told_at_once_and_completion_at_the_end(
    task: Any, jobs: HoldfastJobs, run: Any, heard: list[str]
) -> None:
    with new_batch(task) as batch:
        task("fail").delay("1")
        task("fail").delay("2")
        task("say").apply_async(("late",), countdown=3600)
    run()
    assert heard == ["failure of b"]
    assert batch.has_failed()
    assert not batch.is_complete()
    jobs.drain(raise_errors=False, skip_waits=True)
    assert heard == ["failure of b", "late", "complete of b"]
    assert not batch.has_succeeded()
    assert (batch.progress().failed, batch.progress().succeeded) == (2, 1)


def test_replay_of_the_dead_letters_makes_it_a_success(
    task: Any, run: Any, heard: list[str]
) -> None:
    with new_batch(task) as batch:
        failing = [task("fail").delay(str(n)) for n in range(2)]
        task("add").delay(1)
    run()
    heard.clear()
    task("mend").delay()
    run()
    for left, result in zip((1, 0), failing, strict=True):
        holdfast.replay(result)
        assert batch.row().watched, "whoever runs it may die before the look"
        run()
        assert batch.progress().failed == left
        assert batch.has_succeeded() == (left == 0)
    assert heard == ["success of b"]
    assert not batch.row().watched


@pytest.mark.parametrize("how", ["cancelled", "expired", "dead"])
def test_members_that_end_without_an_attempt_are_found_by_the_loop(
    task: Any, run: Any, heard: list[str], how: str
) -> None:
    with new_batch(task) as batch:
        result = task("say").apply_async(("never",), expires=0.001 if how == "expired" else None)
        task("add").delay(1)
    if how == "cancelled":
        interventions.cancel([result.id], running=False)
    elif how == "dead":
        interventions.bury(result.id, reason="unknown task")
    run()
    assert getattr(batch.progress(), how) == 1
    failure = ["failure of b"] if how == "dead" else []
    assert sorted(heard) == sorted([*failure, "complete of b"])
    assert batch.is_complete()
    assert not batch.has_succeeded()


def test_loop_finds_what_nobody_looked_at_after_the_last_end(
    task: Any, app: Celery, monkeypatch: pytest.MonkeyPatch, jobs: HoldfastJobs, heard: list[str]
) -> None:
    monkeypatch.setattr(batch_ends, "after_end", lambda *_, **__: None)
    with new_batch(task) as batch:
        task("add").delay(1)
    completer = Completer(app.backend.finish_batch)
    assert completer.one_pass() == 0
    jobs.drain()
    assert batch.has_succeeded()
    assert completer.one_pass() == 0
    assert len(heard) == 2


@pytest.mark.parametrize("how", ["say", "fail", "ignore", "chain", "atomic"])
def test_process_that_ends_the_last_member_looks_itself(
    task: Any, app: Celery, run: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(Completer, "one_pass", lambda _: 0)
    with new_batch(task) as batch:
        if how == "chain":
            chain(task("add").si(1), task("add").si(2)).apply_async()
        else:
            task(how).delay("x")
    run()
    assert batch.is_complete()
    assert batch.has_failed() == (how == "fail")


def test_end_that_is_no_failure_hides_none_after_it(
    task: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Completer, "one_pass", lambda _: 0)
    with new_batch(task) as batch:
        for how in ("ignore", "fail"):
            task(how).delay("x")
        task("say").apply_async(("later",), countdown=3600)
    run()
    assert batch.has_failed()
    assert not batch.is_complete()


def test_end_is_noted_once_however_often_it_is_asked_for(task: Any, app: Celery, run: Any) -> None:
    with new_batch(task) as batch:
        task("add").delay(1)
    run()
    before = batch.row()
    for _ in range(3):
        app.backend.finish_batch(batch.id)
    assert batch.row() == before


def test_retried_member_stays_a_member_and_is_not_taken_into_another_batch(
    task: Any, run: Any
) -> None:
    with new_batch(task) as batch:
        result = task("tail").apply_async(link=task("say").si("after it"))
    run()
    assert result.get() == "in the end"
    assert batch.progress().succeeded == 2, "its link is a member of the same batch"
    assert batch.has_succeeded()


# -- members -------------------------------------------------------------------------------------------


def test_what_a_member_sends_on_is_a_member_and_what_its_body_sends_is_not(
    task: Any, run: Any, heard: list[str]
) -> None:
    say, add = task("say"), task("add")
    with new_batch(task) as batch:
        chain(add.s(1, 1), add.s(1), say.si("step")).delay()
        chord([add.s(1, 2), chain(add.s(3, 4), add.s(5))], task("total").s()).delay()
        group(add.s(1), add.s(2)).delay()
        add.apply_async((1, 2), link=say.si("link"))
        add.map([(1), (2)]).delay()
        add.chunks([(1, 2), (3, 4)], 1).group().delay()
    say.delay("no member")
    run()
    progress = batch.progress()
    assert progress.total == progress.succeeded == 3 + 4 + 2 + 2 + 1 + 2
    assert heard.index("total 15") < heard.index("complete of b")
    assert heard.index("step") < heard.index("complete of b")
    assert heard.index("link") < heard.index("complete of b")


def test_members_add_more_while_they_run(task: Any, run: Any, heard: list[str]) -> None:
    with new_batch(task) as batch:
        task("grow").delay(2)
    run()
    assert batch.has_succeeded()
    assert batch.progress().total == 1 + 3 + 3
    assert heard.index("complete of b") > max(heard.index("1.1"), heard.index("2.1"))
    assert current_batch() is None


def test_generator_of_any_length_is_added_in_chunks(task: Any, run: Any, app: Celery) -> None:
    add, say = task("add"), task("say")
    batch = new_batch(task)
    mixed = [add.s(n, 1) for n in range(2500)] + [
        add.s(1).set(priority=3),
        chain(add.s(1), add.s(1)),
    ]
    with app.outbox.batch():
        assert batch.add(iter(mixed)) == 2502
        assert batch.progress().total == 2502, "not held back by what collects calls around"
    assert batch.row().sealed_at is not None
    with pytest.raises(BatchError, match="give signatures"):
        Batch().add([say.s("x"), "y"])
    batch.cancel()


def test_complete_batch_takes_no_more_but_from_its_own_members(
    task: Any, run: Any, jobs: HoldfastJobs
) -> None:
    with new_batch(task) as batch:
        grow = task("grow").delay(0)
    run()
    with pytest.raises(BatchError, match="Begin another batch"):
        batch.add([task("add").s(1)])
    assert batch.progress().total == 1
    holdfast.replay(grow)
    assert not Batch.get(batch.id).progress().done
    run()
    assert batch.progress().total == 1


def test_replayed_member_may_add_to_its_batch(task: Any, run: Any, heard: list[str]) -> None:
    with new_batch(task) as batch:
        result = task("door").delay()
    run()
    task("mend").delay()
    run()
    holdfast.replay(result)
    run()
    assert heard[-1] == "let in"
    assert batch.progress().succeeded == 2
    assert not batch.row().watched


def test_batch_that_is_not_sealed_waits_for_its_seal(task: Any, run: Any, heard: list[str]) -> None:
    batch = new_batch(task, seal=False)
    for part in ("one", "two"):
        with batch:
            task("say").delay(part)
        run()
    assert heard == ["one", "two"]
    assert not batch.is_complete()
    with pytest.raises(WaitedTooLong):
        batch.wait(timeout=0.02)
    batch.seal()
    run()
    assert batch.has_succeeded()
    assert batch.wait(timeout=0).succeeded == 2
    assert sorted(heard[2:]) == ["complete of b", "success of b"]


def test_inner_batch_is_a_member_and_so_are_its_callbacks(
    task: Any, run: Any, heard: list[str]
) -> None:
    with new_batch(task, "outer") as outer:
        task("add").delay(1)
        with new_batch(task, "inner") as inner:
            failing = task("fail").delay("x")
    assert [batch.id for batch in outer.inner()] == [inner.id]
    assert outer.progress().total == 2
    run()
    assert sorted(heard) == [
        f"{e} of {b}" for e in ("complete", "failure") for b in ("inner", "outer")
    ]
    assert heard[-1] == "complete of outer"
    assert outer.progress().total == 2 + 2, "the callbacks of the inner one are members too"
    heard.clear()
    task("mend").delay()
    holdfast.replay(failing)
    run()
    assert heard == ["success of inner", "success of outer"]


def test_callback_gets_the_id_unless_it_is_immutable_and_may_be_a_chain(
    task: Any, run: Any, heard: list[str]
) -> None:
    say = task("say")
    with Batch(on_success=chain(say.s("first"), say.si("second")), on_complete=say.si("mute")):
        task("add").delay(1)
    run()
    assert sorted(heard) == ["first", "mute", "second"]


@pytest.mark.parametrize("terminate", [True, False])
def test_cancelled_batch_cancels_members_that_come_later_too(
    task: Any, run: Any, heard: list[str], *, terminate: bool
) -> None:
    with new_batch(task, "outer", seal=False) as outer:
        task("say").delay("never")
        with new_batch(task, "inner"):
            task("say").apply_async(("never",), countdown=60)
    if terminate:
        holdfast.cancel(outer, actor="me")
    else:
        assert outer.cancel(terminate=False, actor="me") == 2
    assert outer.cancel() == 0
    with outer:
        task("say").delay("too late")
    outer.seal()
    run()
    assert sorted(heard) == ["complete of inner", "complete of outer"]
    assert outer.is_complete()
    assert outer.progress().cancelled == 3
    assert not outer.has_succeeded()
    (line,) = [line for line in audit.lines() if line.actor == "me"]
    assert json.loads(line.detail) == {"batch": outer.id}


def test_misuse_is_refused_with_its_repair(task: Any, app: Celery) -> None:
    with pytest.raises(BatchError, match="give a signature"):
        Batch(on_success=task("say"))
    with pytest.raises(BatchError, match="durable=False"):
        Batch(on_complete=task("plain").s())
    with pytest.raises(BatchError, match="cannot be kept"):
        Batch(on_failure=task("say").s(object()))
    with pytest.raises(BatchError, match="cannot be a member"), Batch():
        task("plain").delay()
    with pytest.raises(BatchNotFound, match="never recorded"):
        Batch.get("nobody")
    with pytest.raises(KeyError):
        list(Batch().members("no such state"))
