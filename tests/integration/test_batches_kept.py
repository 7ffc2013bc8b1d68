"""What is left of a batch when its members' rows are deleted, and when its own row goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from celery import chord
from django.core.management import CommandError, call_command

import holdfast
from holdfast.exceptions import BatchNotFound
from holdfast.ledger import batches as rows
from holdfast.ledger import chords, groups, interventions
from holdfast.ledger.models import Chord, ChordPart, Job
from holdfast.ledger.reads import queries
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


def test_chords_are_deleted_in_pieces_and_open_ones_are_kept(
    task: Any, run: Any, ledger: str
) -> None:
    nothing, day = timedelta(), timedelta(days=1)
    chord([task("add").si(n, n) for n in range(5)], task("total").s()).delay()
    run()
    never = chord([task("add").si(1), task("say").si("x").set(countdown=3600)], task("total").s())
    (_, waiting) = never.apply_async().parent.results
    run()
    parts = ChordPart.objects.using(ledger)

    assert chords.prune(before=day, unfired_before=day, limit=3) == 0
    assert chords.prune(before=nothing, unfired_before=day, limit=3) >= 3
    assert (Chord.objects.using(ledger).count(), parts.count()) == (2, 3)
    chords.prune(before=nothing, unfired_before=nothing, limit=10)
    assert Chord.objects.using(ledger).get().fired is False, "a member of it still waits"
    waiting.revoke()
    assert chords.prune(before=nothing, unfired_before=nothing, limit=10) == 2
    assert not parts.exists()


def test_saved_groups_are_deleted_in_batches(ledger: str) -> None:
    for number in range(5):
        groups.save_group(str(number), b"[]")
    assert queries.prune_stored(before=timedelta(), limit=3) == 3
    assert queries.prune_stored(before=timedelta(days=1), limit=3) == 0
    assert queries.prune_stored(before=timedelta(), limit=3) == 2


def test_chord_counts_each_member_once_and_is_complete_once(ledger: str) -> None:
    def told(member: str, *, group: str = "g", result: bytes = b"1") -> bool:
        return chords.return_part(group, member, position=1, failed=False, result=result)

    chords.open_chord("g", size=2)
    assert [told("a"), told("a", result=b"2"), told("b"), told("b"), told("c")] == [
        False,
        False,
        True,
        False,
        False,
    ]
    assert [part.result for part in chords.parts("g")] == [b"2", b"1", b"1"]
    assert not told("a", group="nobody's")
    assert chords.parts("nobody's") == []


def test_command_cancels_a_batch_and_jobs_beside_it(task: Any, run: Any) -> None:
    with new_batch(task) as batch:
        batch.add(task("add").s(n) for n in range(3))
    alone = task("add").delay(1)
    with pytest.raises(CommandError, match="4 jobs, 3 of them members of 1 batches"):
        call_command("holdfast", "cancel", batch.id, alone.id)
    out = StringIO()
    call_command("holdfast", "cancel", batch.id, alone.id, "--yes", stdout=out)
    assert out.getvalue().splitlines() == [
        f"{batch.id} has 3 cancelled members, 0 are open",
        f"{alone.id} is cancelled",
    ]
    assert batch.is_complete()
    again = StringIO()
    call_command("holdfast", "cancel", batch.id, "--json", stdout=again)
    assert json.loads(again.getvalue()) == {batch.id: "complete"}
