"""What is left of a batch when its members' rows are deleted, and when its own row goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import holdfast
from holdfast.exceptions import BatchNotFound
from holdfast.ledger import batches as rows
from holdfast.ledger import interventions
from holdfast.ledger.models import Job
from holdfast.ledger.states import State
from holdfast.testing import HoldfastJobs
from tests.batched import NOWHERE, app_with_tasks, new_batch
from tests.surroundings import current_app


@pytest.fixture
def heard() -> list[str]:
    """What the callbacks said."""
    return []


@pytest.fixture
def jobs(ledger: str, heard: list[str]) -> Iterator[HoldfastJobs]:
    with current_app(NOWHERE) as app, HoldfastJobs(app_with_tasks(app, heard)) as jobs:
        yield jobs


@pytest.fixture
def task(jobs: HoldfastJobs) -> Any:
    return jobs._app.tasks.__getitem__


@pytest.fixture
def run(jobs: HoldfastJobs) -> Any:
    return lambda: jobs.drain(raise_errors=False)


def test_deleted_members_are_remembered_and_one_that_had_not_succeeded_spoils_the_success(
    task: Any, run: Any, ledger: str, heard: list[str]
) -> None:
    with new_batch(task) as batch:
        good, bad = task("add").delay(1), task("fail").delay("x")
        kept = task("fail").delay("y")
    run()
    good.forget()
    assert not batch.row().spoiled
    bad.forget()
    assert batch.row().spoiled
    assert (batch.progress().deleted, batch.progress().total) == (2, 3)
    task("mend").delay()
    holdfast.replay(kept)
    run()
    assert not batch.has_succeeded()
    assert "success of b" not in heard


def test_batches_are_deleted_after_their_retention_but_not_before_their_members_end(
    task: Any, run: Any, ledger: str
) -> None:
    nothing, days = timedelta(), timedelta(days=1)
    with new_batch(task, "good"):
        task("add").delay(1)
    with new_batch(task, "bad") as bad:
        failing = task("fail").delay("x")
    with new_batch(task, "open", seal=False) as left:
        waiting = task("add").apply_async((1,), countdown=3600)
    run()
    assert rows.prune(succeeded_before=nothing, before=days, limit=10) == 1
    holdfast.replay(failing)
    assert rows.prune(succeeded_before=nothing, before=nothing, limit=10) == 0
    run()
    interventions.cancel([waiting.id], running=False)
    assert rows.prune(succeeded_before=nothing, before=nothing, limit=10) == 2
    for batch in (bad, left):
        with pytest.raises(BatchNotFound):
            batch.row()
    assert State(Job.objects.using(ledger).get(id=failing.id).state) == State.FAILED
