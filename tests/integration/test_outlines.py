"""The outline of a workflow, on both databases: what is alike stands as one box, and what is read is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from celery import chain, chord

from holdfast import Celery
from holdfast.exceptions import JobNotFound
from holdfast.ledger.reads import outlines
from holdfast.ledger.states import State
from holdfast.testing import HoldfastJobs
from holdfast.workflows import Box, Outline, outline
from tests.batched import NOWHERE, app_with_tasks, new_batch
from tests.members import batch, members, statements
from tests.surroundings import current_app


@pytest.fixture
def app(ledger: str) -> Iterator[Celery]:
    with current_app(NOWHERE) as app:
        yield app_with_tasks(app, [])


@pytest.fixture
def jobs(app: Celery) -> Iterator[HoldfastJobs]:
    with HoldfastJobs() as jobs:
        yield jobs


@pytest.fixture
def task(jobs: HoldfastJobs, app: Celery) -> Any:
    return app.tasks.__getitem__


@pytest.fixture
def few_are_a_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "CROWD", 20)


def by_task(found: Outline) -> dict[str, Box]:
    return {box.task: box for box in found.boxes}


def lines(found: Outline) -> list[str]:
    name = {box.id: box.task for box in found.boxes}
    return sorted(f"{name[line.source]} {line.kind} {name[line.target]}" for line in found.lines)


def test_small_workflow_is_outlined_job_by_job(task: Any, jobs: HoldfastJobs) -> None:
    chain(task("mend").si(), task("add").si(1), task("say").si("x")).apply_async()
    found = outline(jobs.recorded()[0].id)
    assert [(box.task, box.kind, box.state) for box in found.boxes] == [
        ("mend", "job", "queued"),
        ("add", "step", "to come"),
        ("say", "step", "to come"),
    ]
    assert lines(found) == ["add next say", "mend next add"]
    assert found.complete


@pytest.mark.parametrize("count", [12, 40])
def test_members_of_a_chord_stand_as_one_box_before_its_body(
    count: int, task: Any, jobs: HoldfastJobs, few_are_a_crowd: None
) -> None:
    sent = chord([task("add").si(n) for n in range(count)], task("total").s()).apply_async()
    first = jobs.recorded()[0].id
    for asked in (first, sent.parent.id):
        found = outline(asked)
        many = [box for box in found.boxes if box.kind == "many"]
        alone = [box for box in found.boxes if box.kind == "job"]
        assert [box.size + len(alone) for box in many] == [count]
        assert many[0].counts == {"queued": count - len(alone)}
        assert by_task(found)["total"].state == "to come"
        assert "add chord total" in lines(found)


@pytest.mark.parametrize("count", [12, 40])
def test_box_of_many_opens_in_the_order_of_its_members_and_keeps_its_lines(
    count: int, task: Any, jobs: HoldfastJobs, few_are_a_crowd: None
) -> None:
    sent = chord([task("add").si(n) for n in range(count)], task("total").s()).apply_async()
    (many,) = [box for box in outline(sent.parent.id).boxes if box.kind == "many"]
    found = outline(sent.parent.id, opened={many.key: 5})
    single = [box for box in found.boxes if box.kind == "job"]
    assert [box.id for box in single] == sorted(job.id for job in jobs.recorded())[:5]
    (rest,) = [box for box in found.boxes if box.kind == "many"]
    assert (rest.size, rest.counts) == (count - 5, {"queued": count - 5})
    assert lines(found).count("add chord total") == 6
    assert [b.kind for b in outline(sent.parent.id, opened={many.key: 50}).boxes].count(
        "job"
    ) == count


@pytest.mark.parametrize("crowd", [20, 200])
def test_what_a_chain_will_send_is_drawn_as_one_box_too(
    crowd: int, task: Any, jobs: HoldfastJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlines, "CROWD", crowd)
    header = [task("add").si(n) for n in range(30)]
    chain(task("mend").si(), chord(header, task("total").s()), task("door").si()).apply_async()
    found = outline(jobs.recorded()[0].id)
    assert {(box.task, box.kind, box.size) for box in found.boxes} == {
        ("mend", "job", 1),
        ("add", "steps", 30),
        ("total", "step", 1),
        ("door", "step", 1),
    }
    assert lines(found) == ["add chord total", "mend next add", "total next door"]
    jobs.drain(raise_errors=False)
    found = outline(jobs.recorded("mend")[0].id)
    assert by_task(found)["add"].counts == {"succeeded": 30}
    assert lines(found) == ["add chord total", "mend next add", "total next door"]


@pytest.mark.parametrize("count", [12, 40])
def test_body_of_a_chord_is_no_member_of_it_once_it_is_a_job(
    count: int, task: Any, jobs: HoldfastJobs, few_are_a_crowd: None
) -> None:
    sent = chord([task("add").si(n) for n in range(count)], task("total").s()).apply_async()
    jobs.drain(raise_errors=False)
    for asked in (sent.parent.id, sent.id):
        found = outline(asked)
        (many,) = [box for box in found.boxes if box.kind == "many"]
        assert (many.task, many.counts) == ("add", {"succeeded": count})
        assert [(b.task, b.state) for b in found.boxes if b.kind == "job"] == [
            ("total", "succeeded")
        ]
        assert lines(found) == ["add chord total"]


def test_what_never_comes_is_said_after_many(task: Any, jobs: HoldfastJobs) -> None:
    header = [task("fail").si("x"), *(task("add").si(n) for n in range(12))]
    chord(header, task("total").s()).apply_async()
    assert by_task(outline(jobs.recorded()[0].id))["total"].state == "to come"
    jobs.drain(raise_errors=False)
    found = outline(jobs.recorded()[0].id)
    assert by_task(found)["total"].state == "never sent"
    (many,) = [box for box in found.boxes if box.kind == "many"]
    assert many.state == "failed"
    assert many.counts["failed"] == 1


def test_batch_with_many_members_is_one_box_with_its_callbacks(
    task: Any, jobs: HoldfastJobs, few_are_a_crowd: None
) -> None:
    with new_batch(task, "outer") as outer:
        outer.add(task("add").s(n) for n in range(30))
        with new_batch(task, "inner") as inner:
            task("say").delay("x")
    found = outline(outer)
    kinds = Counter(box.kind for box in found.boxes)
    assert kinds == {"batch": 2, "many": 1, "job": 1, "step": 6}
    (many,) = [box for box in found.boxes if box.kind == "many"]
    assert (many.key, many.counts) == (f"batch:{outer.id}", {"queued": 30})
    assert (outer.id, many.id, "member") in {(i.source, i.target, i.kind) for i in found.lines}
    assert (outer.id, inner.id, "member") in {(i.source, i.target, i.kind) for i in found.lines}


def test_jobs_that_each_member_of_a_crowd_has_sent_stand_together(
    ledger: str, app: Celery, few_are_a_crowd: None
) -> None:
    members("root", 1, State.SUCCEEDED, task="begin")
    root = "root-000000"
    parents = members(
        "m", 30, State.SUCCEEDED, task="each", group_id="g", root_id=root, parent_id=root
    )
    for number, parent in enumerate(parents):
        members(f"c{number}", 1, State.RUNNING, task="child", root_id=root, parent_id=parent)
    found = outline(root)
    boxes = by_task(found)
    assert (boxes["each"].size, boxes["child"].size, boxes["child"].state) == (30, 30, "running")
    assert lines(found) == ["begin child each", "each child child"]


def test_crowd_is_named_by_a_member_and_not_by_the_body_of_its_chord(
    ledger: str, app: Celery, few_are_a_crowd: None
) -> None:
    root = members("root", 1, State.SUCCEEDED, task="begin")[0]
    around = {"root_id": root, "group_id": "g"}
    each = members("m", 30, State.SUCCEEDED, task="each", parent_id=root, **around)
    # Its id is the first of all.
    members("a", 1, State.SUCCEEDED, task="total", parent_id=each[0], **around)
    assert "each" in by_task(outline(root))


def test_chord_of_three_thousand_costs_as_much_as_one_of_three_hundred(
    ledger: str, app: Celery
) -> None:
    def cost(count: int) -> tuple[int, int]:
        root = members(f"root{count}", 1, State.RUNNING, task="begin")[0]
        around = {"root_id": root, "parent_id": root, "group_id": f"g{count}"}
        members(f"a{count}", count - 5, State.SUCCEEDED, task="each", **around)
        members(f"b{count}", 5, State.RUNNING, task="each", **around)
        with statements() as sent:
            found = outline(root)
        (many,) = [box for box in found.boxes if box.kind == "many"]
        assert (many.size, many.state, many.counts["running"]) == (count, "running", 5)
        assert found.complete
        return len(sent), len(str(found.as_dict())) // 100

    small, large = cost(300), cost(3000)
    assert small == large
    assert large[0] <= 15


def test_more_than_is_looked_at_is_said_to_be(
    ledger: str, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlines, "MOST_ROWS", 40)
    root = members("root", 1, State.RUNNING)[0]
    for number in range(60):
        members(f"c{number}", 1, State.QUEUED, task=f"t{number}", root_id=root, parent_id=root)
    found = outline(root)
    assert not found.complete
    assert len(found.boxes) == 40


def test_chain_of_a_thousand_steps_is_no_recursion(ledger: str, app: Celery) -> None:
    root = members("root", 1, State.SUCCEEDED)[0]
    before = root
    for number in range(1200):
        before = members(f"c{number:04}", 1, State.SUCCEEDED, root_id=root, parent_id=before)[0]
    found = outline(root)
    assert not found.complete
    assert len(found.boxes) == 600


def test_empty_batch_and_nothing(ledger: str, app: Celery) -> None:
    batch("b", name="nothing in it")
    assert [(box.kind, box.task) for box in outline("b").boxes] == [("batch", "nothing in it")]
    with pytest.raises(JobNotFound, match="not in the ledger"):
        outline("nobody")
