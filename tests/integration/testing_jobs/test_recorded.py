"""What `holdfast.testing` shows of recorded jobs, without any service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from celery import chord
from django.db import transaction
from django.test import TestCase
from django.utils import timezone

from holdfast.testing import HoldfastJobs
from tests.rehearsed import ALIAS, written


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
