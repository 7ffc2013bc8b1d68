"""What `holdfast.testing` gives a project: jobs that are recorded are found, run and made due, without any service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock
from uuid import UUID

import celery
import pytest
from celery import chain, chord, group
from celery.result import AsyncResult
from django.core import mail
from django.core.management import call_command
from django.db import connections, transaction
from django.test import TestCase
from django.utils import timezone

from holdfast import Celery
from holdfast.exceptions import ConfigurationError, HoldfastError
from holdfast.testing import HoldfastJobs, JobDied, NeverEmpty, faults
from tests.ledgers import empty
from tests.project.django_jobs import add_async as django_add
from tests.rehearsed import ALIAS, app_with_tasks, written
from tests.surroundings import current_app

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def tables(ledger_alias: str, django_db_blocker: Any) -> None:
    """The table that the bodies write to, beside the ledger's own."""
    with django_db_blocker.unblock():
        call_command("migrate", "project", database=ledger_alias, verbosity=0)


@pytest.fixture(params=["in a test case", "with commits"])
def frame(ledger: str, tables: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """The transaction of a `TestCase`, as Django opens it, or none as in a `TransactionTestCase`."""
    assert ledger == ALIAS
    empty(ledger, ["project_atomic_effect"])
    if request.param == "with commits":
        yield "commits"
        return
    block = transaction.atomic(using=ledger)
    block._from_testcase = True  # type: ignore[attr-defined]  # Django's own mark of its frames
    with block:
        yield "test case"
        transaction.set_rollback(True, using=ledger)


@pytest.fixture
def app() -> Iterator[Celery]:
    with current_app(NOWHERE) as app:
        yield app_with_tasks(app)


@pytest.fixture
def jobs(frame: str, app: Celery) -> Iterator[HoldfastJobs]:
    with HoldfastJobs() as jobs:
        yield jobs


@pytest.fixture
def task(app: Celery) -> Any:
    return app.tasks.__getitem__


def states(jobs: HoldfastJobs) -> list[str]:
    return [job.state for job in jobs.recorded()]


# -- what is recorded -------------------------------------------------------------------------------


def test_recorded_jobs_are_found_by_what_they_were_called_with(
    jobs: HoldfastJobs, task: Any
) -> None:
    task("note").delay("one")
    task("note").apply_async(("two",), queue="mail", countdown=3600)
    task("shown").delay(1, key=(2, 3))

    assert [job.args for job in jobs.recorded("note")] == [("one",), ("two",)]
    assert [job.task for job in jobs.recorded()] == ["note", "note", "shown"]
    (found,) = jobs.assert_recorded(task("note"), args=("one",))
    assert (found.state, found.queue, found.attempts, found.eta) == ("queued", "celery", 0, None)
    jobs.assert_recorded("note", count=2)
    jobs.assert_recorded(task("note"), queue="mail", eta=timedelta(hours=1), count=1)
    jobs.assert_recorded(task("note"), eta=timezone.now() + timedelta(hours=1))
    # As the worker sees it, whatever the test writes.
    jobs.assert_recorded(task("shown"), args=[1], kwargs={"key": (2, 3)})
    jobs.assert_recorded(task("shown"), kwargs={"key": [2, 3]})
    jobs.assert_recorded(task("shown"), args=(mock.ANY,))
    task("total").delay((1, 2))
    jobs.assert_recorded(task("total"), args=((1, 2),))
    jobs.assert_recorded(task("total"), args=([1, 2],))
    jobs.assert_not_recorded(task("note"), args=("three",))
    jobs.assert_not_recorded(task("note"), args=("one",), queue="mail")
    jobs.assert_not_recorded(task("add"))


def test_failed_assertion_shows_what_was_recorded_and_where_it_differs(
    jobs: HoldfastJobs, task: Any
) -> None:
    task("note").delay("one")
    task("shown").apply_async(kwargs={"order": {"lines": list(range(40))}}, countdown=60)

    with pytest.raises(AssertionError) as failed:
        jobs.assert_recorded(task("note"), args=("two",), queue="mail", eta=timedelta(days=1))
    told = str(failed.value)
    assert "Expected at least once: note args=('two',) queue='mail'" in told
    assert "1. note('one') on celery, queued" in told
    assert "args: expected ('two',), recorded ('one',)" in told
    assert "queue: expected 'mail', recorded 'celery'" in told
    assert "recorded as due at once" in told
    assert "2. shown(order={" in told
    assert "held (eta until " in told

    with pytest.raises(AssertionError, match=r"Expected 2 times: note(.|\n)*matches"):
        jobs.assert_recorded(task("note"), count=2)
    with pytest.raises(AssertionError, match="Expected never: note"):
        jobs.assert_not_recorded(task("note"))
    with pytest.raises(AssertionError, match=r"nothing is recorded:\n  1. note\('one'\)"):
        jobs.assert_not_recorded()
    with pytest.raises(AssertionError, match=r"eta: expected .* within 0:00:10, recorded"):
        jobs.assert_recorded(task("shown"), eta=timedelta(seconds=30))
    other = {"order": {"lines": [*range(20), 99, *range(21, 40)]}}
    with pytest.raises(AssertionError, match=r"(?s)- expected, \+ recorded.*-[^\n]*99"):
        jobs.assert_recorded(task("shown"), kwargs=other)


def test_failed_assertion_names_the_usual_causes(jobs: HoldfastJobs, task: Any, frame: str) -> None:
    with pytest.raises(AssertionError, match=r"No task nite is registered: did you mean note\?"):
        jobs.assert_recorded("nite")
    task("plain").delay("into nothing")
    with pytest.raises(AssertionError, match=r"Nothing is recorded.\nplain has durable=False"):
        jobs.assert_recorded(task("plain"))
    with pytest.raises(TypeError, match="is no task"):
        jobs.assert_recorded(7)
    transaction.on_commit(lambda: task("note").delay("late"), using=ALIAS)
    if frame == "test case":
        with pytest.raises(AssertionError, match="gathered 1 on_commit hooks"):
            jobs.assert_recorded(task("note"))
        assert jobs.drain() == 0, "what the test itself left to its commit is not run by a drain"
    else:
        jobs.assert_recorded(task("note"), args=("late",))


def test_what_rolls_back_is_not_recorded(jobs: HoldfastJobs, task: Any) -> None:
    with pytest.raises(LookupError), transaction.atomic(using=ALIAS):  # noqa: PT012
        task("note").delay("undone")
        raise LookupError
    jobs.assert_not_recorded()
    assert jobs.drain() == 0


def test_captured_hooks_of_the_test_record_their_jobs_once(
    jobs: HoldfastJobs, task: Any, frame: str
) -> None:
    with (
        TestCase.captureOnCommitCallbacks(using=ALIAS, execute=True),
        transaction.atomic(using=ALIAS),
    ):
        transaction.on_commit(lambda: task("note").delay("late"), using=ALIAS)
        jobs.assert_not_recorded()
    jobs.assert_recorded(task("note"), args=("late",), count=1)
    with TestCase.captureOnCommitCallbacks(using=ALIAS, execute=True):
        task("hooked").delay("h")
        jobs.drain()
    assert written().count("h: hook of the body") == 1


def test_cleared_jobs_are_neither_listed_nor_run(jobs: HoldfastJobs, task: Any) -> None:
    task("note").delay("before")
    (task("note").s("a") | task("note").si("b")).apply_async()
    chord([task("add").s(1, 2)], task("total").s()).apply_async()
    jobs.clear()
    assert jobs.recorded() == []
    assert jobs.drain() == 0
    task("note").delay("after")
    assert jobs.drain() == 1
    assert written() == ["after"]


# -- what a drain runs ------------------------------------------------------------------------------


def test_drained_job_has_ended_in_the_ledger_with_its_result(jobs: HoldfastJobs, task: Any) -> None:
    sent = [task("note").delay(text) for text in ("one", "two", "three")]
    assert jobs.drain() == 3
    assert written() == ["one", "two", "three"]
    assert [result.get(timeout=1) for result in sent] == ["one", "two", "three"]
    (first, *_) = jobs.recorded()
    assert (first.state, first.attempts, first.id) == ("succeeded", 1, sent[0].id)
    assert jobs.drain() == 0


def test_body_gets_what_the_serializer_makes_of_its_arguments(
    jobs: HoldfastJobs, task: Any
) -> None:
    known = UUID(int=7)
    sent = task("shown").delay((1, 2), known, sum=Decimal("1.50"))
    jobs.drain()
    assert sent.get() == repr((([1, 2], known), {"sum": Decimal("1.50")}))


def test_links_chains_and_chords_run_in_the_same_drain(jobs: HoldfastJobs, task: Any) -> None:
    add, total, note = task("add"), task("total"), task("note")
    sent = chain(add.s(1, 2), add.s(10)).apply_async(link=note.si("linked"))
    chord(group(add.s(1, 1), add.s(2, 2)), total.s()).apply_async()
    jobs.drain()
    assert sent.get() == 13
    assert sorted(written()) == ["linked", "total 6"]
    assert set(states(jobs)) == {"succeeded"}


def test_retry_without_a_pause_is_part_of_the_drain(jobs: HoldfastJobs, task: Any) -> None:
    task("retrying").delay("r", 0, until=2)
    assert jobs.drain() == 3
    assert written() == ["r 0", "r 1", "r 2"]
    (job,) = jobs.recorded()
    assert (job.state, job.attempts, job.failures) == ("succeeded", 3, 2)


def test_retry_with_a_pause_waits_until_the_test_has_travelled(
    jobs: HoldfastJobs, task: Any
) -> None:
    task("retrying").delay("r", 3600)
    assert jobs.drain() == 1
    (job,) = jobs.recorded()
    assert (job.state, job.hold, job.attempts) == ("held", "retry", 1)
    jobs.travel(timedelta(minutes=59))
    assert jobs.drain() == 0
    jobs.travel(timedelta(minutes=1))
    assert jobs.drain() == 1
    assert written() == ["r 0", "r 1"]


def test_held_job_becomes_due_by_travel(jobs: HoldfastJobs, task: Any) -> None:
    task("note").apply_async(("by countdown",), countdown=3600)
    task("note").apply_async(("by eta",), eta=timezone.now() + timedelta(days=2))
    assert jobs.drain() == 0
    jobs.travel(timedelta(days=1))
    jobs.assert_recorded(task("note"), args=("by eta",), eta=timedelta(days=1))
    jobs.drain()
    assert written() == ["by countdown"]
    jobs.travel(timedelta(days=1))
    jobs.drain()
    assert written() == ["by countdown", "by eta"]
    for wrong in (timedelta(), timedelta(seconds=-1)):
        with pytest.raises(ValueError, match="forward only"):
            jobs.travel(wrong)


def test_job_whose_time_is_over_expires_instead_of_running(jobs: HoldfastJobs, task: Any) -> None:
    late = task("note").apply_async(("late",), expires=60, link_error=task("failed").s())
    task("note").apply_async(("in time",), expires=600)
    jobs.travel(timedelta(minutes=5))
    assert jobs.drain() == 1
    assert written() == ["in time"]
    assert [job.state for job in jobs.recorded() if job.id == late.id] == ["expired"]


def test_drain_that_skips_waits_goes_on_to_the_last_retry(jobs: HoldfastJobs, task: Any) -> None:
    task("autoretrying").delay("a")
    task("note").apply_async(("far",), countdown=30 * 24 * 3600)
    assert jobs.drain(skip_waits=True) == 4
    assert written() == ["a 0", "a 1", "a 2", "far"]


def test_error_of_a_body_is_raised_with_its_job(jobs: HoldfastJobs, task: Any) -> None:
    sent = task("raising").apply_async(("broken",), link_error=task("failed").s())
    task("note").delay("next")
    with pytest.raises(ValueError, match="broken") as error:
        jobs.drain()
    assert error.value.__notes__ == [f"holdfast: attempt 1 of job {sent.id}, raising on celery"]
    assert error.traceback[-1].name == "raising", "the trace leads into the body"
    (failed,) = jobs.recorded("raising")
    assert (failed.state, failed.reason, failed.failures) == ("failed", "error", 1)
    assert written() == ["broken"], "what it wrote before its error is kept, as without a test case"
    jobs.drain()
    assert written() == ["broken", "next", "told of the failure"]


def test_errors_are_left_to_the_rows_if_asked(jobs: HoldfastJobs, task: Any) -> None:
    task("raising").delay("one")
    task("raising").delay("two")
    task("rejecting").delay()
    assert jobs.drain(raise_errors=False) == 3
    assert states(jobs) == ["failed", "failed", "dead"]


def test_job_that_sends_itself_for_ever_is_named(jobs: HoldfastJobs, task: Any) -> None:
    task("endless").delay()
    told = r"After 7 rounds jobs are still due: endless 1 times. .* run: endless 7 times."
    with pytest.raises(NeverEmpty, match=told):
        jobs.drain(rounds=7)


def test_job_that_cannot_be_run_is_dead_with_the_reason(
    jobs: HoldfastJobs, task: Any, app: Celery
) -> None:
    app.send_task("of.another.site")
    with pytest.raises(JobDied, match=r"of.another.site\) is dead after attempt 1: unknown task"):
        jobs.drain()
    task("rejecting").delay()
    with pytest.raises(JobDied, match=r"rejected\. .*not this one"):
        jobs.drain()
    task("note").apply_async(("pickled",), serializer="pickle")
    (pickled,) = jobs.recorded("note")
    assert pickled.args == ()
    assert "ContentDisallowed" in pickled.undecodable
    with pytest.raises(JobDied, match="undecodable"):
        jobs.drain()
    task("leaving").delay()
    with pytest.raises(JobDied, match="poison"):
        jobs.drain()
    assert jobs.recorded("leaving")[0].losses == 3


def test_job_cancelled_by_its_own_body_stays_cancelled(jobs: HoldfastJobs, task: Any) -> None:
    with mock.patch("celery.app.control.Control.revoke") as told:
        task("cancelling").delay()
        assert jobs.drain() == 1
    assert told.called
    assert states(jobs) == ["cancelled"]


# -- transactions inside of bodies --------------------------------------------------------------------


def test_hooks_of_a_body_run_as_after_a_commit(jobs: HoldfastJobs, task: Any) -> None:
    task("hooked").delay("h")
    assert jobs.drain() == 2
    hooks = ["h: hook of the body", "h: hook of a block", "h: body", "h: job"]
    assert sorted(written()) == sorted(hooks)


def test_hooks_of_an_atomic_body_run_after_its_end(jobs: HoldfastJobs, task: Any) -> None:
    task("atomic.hooked").delay("h")
    jobs.drain()
    assert written() == ["h: body", "h: hook of the body", "h: hook of a block", "h: job"]


def test_atomic_body_that_fails_leaves_neither_effects_nor_hooks(
    jobs: HoldfastJobs, task: Any
) -> None:
    task("atomic.hooked").delay("h", fails="body")
    task("atomic.raising").delay("r")
    assert jobs.drain(raise_errors=False) == 2
    assert written() == []
    assert states(jobs) == ["failed", "failed"]


def test_hooks_of_a_body_that_fails_have_run_before(jobs: HoldfastJobs, task: Any) -> None:
    task("hooked").delay("h", fails="body")
    jobs.drain(raise_errors=False)
    assert sorted(written()) == sorted(
        ["h: hook of the body", "h: hook of a block", "h: body", "h: job"]
    )


def test_hook_that_fails_fails_a_plain_body_and_not_an_atomic_one(
    jobs: HoldfastJobs, task: Any
) -> None:
    for name, state in (("hooked", "failed"), ("atomic.hooked", "succeeded")):
        task(name).delay("h", fails="hook")
        with pytest.raises(ValueError, match="failing hook"):
            jobs.drain()
        assert jobs.recorded(name)[0].state == state
        jobs.drain()


def test_hook_that_fails_is_retried_with_its_body(jobs: HoldfastJobs, task: Any) -> None:
    sent = task("hooking_again").delay()
    jobs.drain(skip_waits=True)
    assert sent.get() == 1


def test_database_error_of_a_body_does_not_break_the_test(
    jobs: HoldfastJobs, task: Any, frame: str
) -> None:
    for name in ("breaking", "atomic.breaking"):
        task(name).delay()
        with pytest.raises(Exception, match=r"(?i)null"):
            jobs.drain()
    assert states(jobs) == ["failed", "failed"]
    # The one difference: a transaction cannot keep what came before such an error, nor may a hook tell of it.
    assert written() == ([] if frame == "test case" else ["before", "told of what was before"])


def test_database_error_that_a_body_swallows_is_not_swallowed_by_the_test_case(
    jobs: HoldfastJobs, task: Any, frame: str
) -> None:
    task("breaking").delay(swallow=True)
    if frame == "commits":
        jobs.drain()
    else:
        with pytest.raises(HoldfastError, match="Put atomic"):
            jobs.drain()
    task("note").delay("goes on")
    jobs.drain()
    assert written()[-1] == "goes on"


def test_body_that_closes_its_connection_leaves_the_test_its_transaction(
    jobs: HoldfastJobs, task: Any
) -> None:
    task("note").delay("first")
    task("closing").delay("second")
    assert jobs.drain() == 2
    assert written() == ["first", "second"]


def test_drain_in_a_block_of_the_test_is_refused(jobs: HoldfastJobs, task: Any) -> None:
    with transaction.atomic(using=ALIAS):
        task("note").delay("not committed")
        with pytest.raises(HoldfastError, match="Leave the block first"):
            jobs.drain()
    assert jobs.drain() == 1


def test_block_that_was_open_before_is_the_frame_of_the_test(frame: str, app: Celery) -> None:
    with transaction.atomic(using=ALIAS), HoldfastJobs(app) as jobs:
        app.tasks["note"].delay("inside")
        assert jobs.drain() == 1
        assert written() == ["inside"]
        transaction.set_rollback(True, using=ALIAS)


# -- faults -------------------------------------------------------------------------------------------


def test_worker_that_dies_repeats_what_is_not_atomic(jobs: HoldfastJobs, task: Any) -> None:
    for name in ("note", "atomic.note"):
        task(name).apply_async((name,), link=task("note").si(f"after {name}"))
        with faults.worker_dies(task(name)) as death:
            jobs.drain()
        assert death.happened == 1
    assert written() == ["note", "note", "after note", "atomic.note", "after atomic.note"]
    job = jobs.recorded("note")[0]
    assert (job.state, job.attempts, job.losses, job.failures) == ("succeeded", 2, 1, 0)


def test_worker_that_dies_each_time_makes_the_job_dead(jobs: HoldfastJobs, task: Any) -> None:
    task("autoretrying").apply_async(("a",), link_error=task("failed").s())
    with faults.worker_dies("autoretrying", times=3), pytest.raises(JobDied, match="poison"):
        jobs.drain(skip_waits=True)
    jobs.drain()
    assert written()[-1] == "told of the failure"


def test_attempt_that_lost_its_lease_writes_no_end(jobs: HoldfastJobs, task: Any) -> None:
    for name in ("note", "atomic.note"):
        task(name).apply_async((name,), link=task("note").si(f"after {name}"))
        with faults.lease_lost(task(name)):
            jobs.drain()
    assert written() == ["note", "note", "after note", "atomic.note", "after atomic.note"]
    assert set(states(jobs)) == {"succeeded"}
    task("raising").delay("stale")
    with faults.lease_lost("raising"), pytest.raises(ValueError, match="stale"):
        jobs.drain()
    assert jobs.recorded("raising")[0].attempts == 2


def test_fault_that_does_not_happen_fails_the_test(jobs: HoldfastJobs, task: Any) -> None:
    with (
        pytest.raises(AssertionError, match=r"worker_dies\(note\): 0 of 1 attempts"),
        faults.worker_dies(task("note")),
    ):
        jobs.drain()


def test_jobs_wait_while_the_broker_is_down(jobs: HoldfastJobs, task: Any) -> None:
    with faults.broker_down():
        task("note").delay("kept")
        assert [job.hold for job in jobs.recorded()] == ["relay"]
        assert jobs.drain() == 0
    assert jobs.drain() == 1
    assert written() == ["kept"]


# -- what is around -----------------------------------------------------------------------------------


def test_no_call_leaves_the_process_or_runs_eagerly(frame: str, app: Celery) -> None:
    app.conf.task_always_eager = True
    before = app.outbox.publisher
    with HoldfastJobs(app) as jobs:
        app.tasks["plain"].delay("nobody runs it")
        app.tasks["note"].delay("later")
        assert written() == []
        assert jobs.drain() == 1
    assert app.conf.task_always_eager
    assert app.outbox.publisher is before
    assert written() == ["later"]


def test_task_is_left_as_it_was(jobs: HoldfastJobs, task: Any) -> None:
    attributes = {name: dict(vars(task(name))) for name in ("note", "autoretrying")}
    for name in attributes:
        task(name).delay("x")
    jobs.drain(skip_waits=True)
    for name, before in attributes.items():
        after = vars(task(name))
        assert {key: after.get(key) for key in ("run", "_orig_run")} == {
            key: before.get(key) for key in ("run", "_orig_run")
        }
    assert "close" not in vars(connections[ALIAS])


def test_typed_arguments_are_compared_as_they_travel(jobs: HoldfastJobs, app: Celery) -> None:
    from tests.shop.orders import Order

    def ship(order: Order, *, days: int = 1) -> str:
        return f"{type(order).__name__} {order.number}"

    ship.__annotations__ = {"order": Order, "days": int, "return": str}
    shipped = app.task(name="ship", shared=False, typed_arguments=True)(ship)
    sent = shipped.delay(Order(orderNumber=7))
    jobs.assert_recorded(shipped, args=(Order(orderNumber=7),))
    jobs.assert_not_recorded(shipped, args=(Order(orderNumber=8),))
    jobs.assert_recorded(shipped, kwargs={})
    jobs.drain()
    assert sent.get() == "Order 7"


def test_django_tasks_are_found_and_run_under_their_own_names(
    jobs: HoldfastJobs, app: Celery
) -> None:
    sent: Any = django_add.enqueue(1, 2)
    jobs.assert_recorded(django_add, args=(1, 2), count=1)
    jobs.assert_not_recorded(django_add, args=(1, 3))
    with faults.worker_dies(django_add):
        assert jobs.drain() == 2
    sent.refresh()
    assert sent.return_value == 3


def test_result_of_a_drained_job_is_read_by_its_id(jobs: HoldfastJobs, task: Any) -> None:
    sent = task("note").delay("x")
    assert AsyncResult(sent.id).state == "PENDING"
    jobs.drain()
    assert AsyncResult(sent.id).state == "SUCCESS"


def test_app_that_records_nothing_is_refused(frame: str) -> None:
    plain = celery.Celery("plain", set_as_current=False)
    with pytest.raises(ConfigurationError, match=r"no holdfast.Celery"), HoldfastJobs(plain):
        pass


def test_jobs_of_a_running_site_are_not_touched(
    frame: str, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mail, "outbox")
    with pytest.raises(HoldfastError, match="works in tests only"), HoldfastJobs(app):
        pass
