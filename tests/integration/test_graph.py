"""The graph of a workflow on both databases: what has run, what waits, and what is still to come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from celery import chain, chord, group
from django.core.management import call_command

import holdfast
from holdfast import Celery
from holdfast.exceptions import JobNotFound
from holdfast.testing import HoldfastJobs
from holdfast.workflows import Graph
from tests.batched import NOWHERE, app_with_tasks, new_batch
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


def shape(graph: Graph) -> tuple[list[str], list[str]]:
    """Return nodes and edges by the names of their tasks."""
    nodes = [f"{node.task} {node.state}" for node in graph.nodes.values()]
    name = {id: node.task for id, node in graph.nodes.items()}
    edges = [f"{name[edge.source]} {edge.kind} {name[edge.target]}" for edge in graph.edges]
    return sorted(nodes), sorted(edges)


def canvas(task: Any) -> Any:
    """A chain whose second step is a chord, and a step after it."""
    header = [task("add").si(1, 1), chain(task("add").si(2), task("add").si(3))]
    return chain(task("mend").si(), chord(header, task("total").s()), task("door").si())


EDGES = [
    "add chord total",
    "add chord total",
    "add next add",
    "mend next add",
    "mend next add",
    "total next door",
]


def test_steps_that_are_to_come_are_read_from_the_message_of_the_first(
    task: Any, jobs: HoldfastJobs
) -> None:
    sent = canvas(task).apply_async()
    graph = holdfast.graph(jobs.recorded()[0].id)
    nodes, edges = shape(graph)
    assert nodes == [
        "add to come",
        "add to come",
        "add to come",
        "door to come",
        "mend queued",
        "total to come",
    ]
    assert edges == EDGES
    assert sent.id in graph.nodes
    assert graph.complete


def test_same_workflow_is_shown_from_any_of_its_jobs_once_it_is_over(
    task: Any, jobs: HoldfastJobs
) -> None:
    canvas(task).apply_async()
    jobs.drain(raise_errors=False)
    graphs = [holdfast.graph(job.id) for job in jobs.recorded()]
    assert len(graphs) == 6
    for graph in graphs:
        nodes, edges = shape(graph)
        assert sorted(set(nodes)) == [
            "add succeeded",
            "door succeeded",
            "mend succeeded",
            "total succeeded",
        ]
        assert edges == EDGES


def test_what_will_never_be_sent_says_so(task: Any, jobs: HoldfastJobs) -> None:
    chain(task("fail").si("x"), task("add").si(1), task("say").si("y")).apply_async()
    chord([task("fail").si("x"), task("add").si(2)], task("total").s()).apply_async()
    jobs.drain(raise_errors=False)
    first, second = (holdfast.graph(job.id) for job in jobs.recorded("fail"))
    assert shape(first)[0] == ["add never sent", "fail failed", "say never sent"]
    assert shape(second)[0] == ["add succeeded", "fail failed", "total never sent"]


def test_members_of_a_group_sent_by_hand_know_each_other(task: Any, jobs: HoldfastJobs) -> None:
    sent = group(task("add").si(n, n) for n in range(3)).apply_async()
    task("add").delay(9)
    for what in (sent, sent.id, sent.results[1], sent.results[2].id):
        graph = holdfast.graph(what)
        assert graph.nodes.keys() == {result.id for result in sent.results}
        assert {node.group for node in graph.nodes.values()} == {sent.id}


def test_batch_is_shown_with_its_members_and_callbacks(task: Any, jobs: HoldfastJobs) -> None:
    with new_batch(task, "outer") as outer:
        task("fail").delay("x")
        with new_batch(task, "inner") as inner:
            task("add").apply_async((1, 2), link=task("say").si("link"))
    before = holdfast.graph(outer)
    nodes, edges = shape(before)
    ours = ["add queued", "fail queued", "inner open", "outer open", "say to come"]
    assert nodes == ours + 6 * ["told to come"]
    assert "inner on_success told" in edges
    assert "add link say" in edges
    jobs.drain(raise_errors=False)
    nodes, edges = shape(holdfast.graph(outer.id))
    assert nodes.count("told succeeded") == 2 + 2
    assert "inner succeeded" in nodes
    assert "outer complete" in nodes
    assert "outer on_failure told" in edges
    assert "add child say" in edges
    assert holdfast.graph(inner).nodes.keys() < holdfast.graph(outer).nodes.keys()


def test_graph_is_bounded_and_says_so(task: Any, jobs: HoldfastJobs) -> None:
    with new_batch(task) as batch:
        batch.add(task("add").s(n) for n in range(30))
    graph = holdfast.graph(batch, limit=10)
    assert not graph.complete
    assert sum(node.kind == "job" for node in graph.nodes.values()) == 10
    with pytest.raises(JobNotFound, match="not in the ledger"):
        holdfast.graph("nobody")


def test_command_draws_it_in_every_form(task: Any, jobs: HoldfastJobs) -> None:
    canvas(task).apply_async()
    first = jobs.recorded()[0].id

    def told(*flags: str) -> tuple[str, str]:
        out, error = StringIO(), StringIO()
        call_command("holdfast", "graph", first, *flags, stdout=out, stderr=error)
        return out.getvalue(), error.getvalue()

    tree, remark = told()
    lines = tree.splitlines()
    assert lines[0] == f"mend [{first}] queued"
    assert [line.split("[")[0].rstrip() for line in lines[1:4]] == [
        "  next: add",
        "    chord: total",
        "      next: door",
    ]
    assert sum("(see above)" in line for line in lines) == 1
    assert remark == ""
    assert len(json.loads(told("--json")[0])["nodes"]) == 6
    assert told("--dot")[0].startswith("digraph workflow {")
    assert "-->|chord|" in told("--mermaid")[0]
