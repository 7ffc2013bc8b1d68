"""Workflows in the console, on both databases: a bounded outline as JSON, and the same as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from holdfast import Celery
from holdfast.ledger.states import State
from tests.batched import NOWHERE, app_with_tasks
from tests.members import batch, members
from tests.surroundings import current_app

API = "/holdfast/api/workflows/"


@pytest.fixture(autouse=True)
def app(console: str) -> Iterator[Celery]:
    with current_app(NOWHERE) as app:
        yield app_with_tasks(app, [])


@pytest.fixture
def root() -> str:
    """A job that has sent a group of three thousand."""
    root = members("root", 1, State.SUCCEEDED, task="begin")[0]
    around = {"root_id": root, "parent_id": root, "group_id": "g"}
    members("a", 2990, State.SUCCEEDED, task="each", **around)
    members("b", 10, State.RUNNING, task="each", **around)
    return root


def asked(client: Client, path: str) -> Any:
    answer = client.get(f"{API}{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_thousands_are_one_box_that_opens_in_steps_of_fifty(viewer: Client, root: str) -> None:
    found = asked(viewer, f"{root}/")
    assert [(b["task"], b["kind"], b["size"]) for b in found["boxes"]] == [
        ("begin", "job", 1),
        ("each", "many", 3000),
    ]
    assert found["counts"] == {"succeeded": 2991, "running": 10}
    assert found["lines"] == [{"source": root, "target": "group:g", "kind": "child"}]
    opened = asked(viewer, f"{root}/?open=group:g&open=group:g")
    kinds = [box["kind"] for box in opened["boxes"]]
    assert (kinds.count("job"), kinds.count("many")) == (101, 1)
    assert opened["opened"] == {"group:g": 100}
    assert len(json.dumps(opened)) < 60_000


def test_table_has_what_the_graph_shows(viewer: Client, root: str) -> None:
    html = viewer.get(f"/holdfast/workflows/{root}/").content.decode()
    assert f"/holdfast/jobs/{root}/" in html
    assert "2,990 succeeded" in html
    assert "?open=group%3Ag" in html
    assert 'data-source="/holdfast/api/workflows/' in html


def test_graph_of_a_batch_and_of_nothing(viewer: Client) -> None:
    batch("b", name="all orders")
    members("m", 3, State.QUEUED, batch_id="b")
    found = asked(viewer, "b/")
    assert [box["task"] for box in found["boxes"] if box["kind"] == "batch"] == ["all orders"]
    assert "/holdfast/batches/b/" in viewer.get("/holdfast/workflows/b/").content.decode()
    gone = viewer.get(f"{API}nobody/")
    assert gone.status_code == 404
    assert "not in the ledger" in gone.json()["error"]["message"]


def test_too_many_open_boxes_are_refused(viewer: Client, root: str) -> None:
    keys = "&".join(f"open=group:{number}" for number in range(21))
    wrong = viewer.get(f"{API}{root}/?{keys}")
    assert wrong.status_code == 400
    assert "20" in wrong.json()["error"]["message"]
