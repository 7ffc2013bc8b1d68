"""What a drain of `holdfast.testing` runs, and what time travel makes due."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from celery import chain, chord, group
from django.utils import timezone

from holdfast import Celery
from holdfast.testing import HoldfastJobs, JobDied, NeverEmpty
from tests.integration.testing_jobs.shown import states
from tests.rehearsed import written


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


def test_coroutine_runs_to_its_end_in_the_transaction_of_the_test(
    jobs: HoldfastJobs, task: Any
) -> None:
    sent = task("acoroutine").delay("c")
    assert jobs.drain() == 2
    assert written() == ["c 0", "c 1"]
    assert sent.get(timeout=1) == "c"


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
