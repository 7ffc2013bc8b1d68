"""Transactions inside of bodies that a drain runs: hooks, errors, and the frame of the test."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from holdfast import Celery
from holdfast.exceptions import HoldfastError
from holdfast.testing import HoldfastJobs
from tests.integration.testing_jobs.shown import states
from tests.rehearsed import ALIAS, written


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
