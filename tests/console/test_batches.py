"""Batches in the console, on both databases: the list and one batch as JSON and HTML, and what is done with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import Client, override_settings

from holdfast import Celery, operations
from holdfast.console import batches_actions
from holdfast.ledger import audit
from holdfast.ledger.states import State
from tests.batched import NOWHERE, app_with_tasks
from tests.members import batch, failures, members, statements
from tests.surroundings import current_app

API = "/holdfast/api/"


@pytest.fixture(autouse=True)
def app(console: str) -> Iterator[Celery]:
    with current_app(NOWHERE) as app:
        yield app_with_tasks(app, [])


def asked(client: Client, path: str) -> Any:
    answer = client.get(f"{API}{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.fixture
def sales() -> str:
    """A batch with members in three states and a callback with a secret."""
    callbacks = {"failure": {"task": "say", "args": ["x"], "kwargs": {"api_key": "hush"}}}
    batch("sales", name="import <7>", callbacks=json.dumps(callbacks), failed_at=Now())
    members("s", 6, State.SUCCEEDED, batch_id="sales")
    members("q", 2, State.QUEUED, batch_id="sales")
    failures(
        members("f", 2, State.FAILED, batch_id="sales", fingerprint="f1"), "ValueError: no stock"
    )
    return "sales"


def test_list_tells_progress_states_and_pace(viewer: Client, sales: str) -> None:
    found = asked(viewer, "batches/")
    (line,) = found["batches"]
    assert (line["name"], line["done"], line["total"], line["fraction"]) == (
        "import <7>",
        8,
        10,
        0.8,
    )
    assert [(s["state"], s["count"]) for s in line["states"]] == [
        ("queued", 2),
        ("succeeded", 6),
        ("failed", 2),
    ]
    assert line["ends"] == ["failed"]
    assert line["per_second"] > 0
    assert line["calls"] == [{"event": "failure", "task": "say", "job": None}]
    html = viewer.get("/holdfast/batches/").content.decode()
    assert "import &lt;7&gt;" in html
    assert "/holdfast/batches/sales/" in html
    assert "hush" not in html


def test_list_has_pages_and_filters(viewer: Client) -> None:
    for number in range(27):
        batch(f"b{number:02}", completed_at=Now() if number % 2 else None, watched=number % 2 == 0)
    first = asked(viewer, "batches/")
    assert [line["id"] for line in first["batches"]][:2] == ["b26", "b25"]
    assert first["next"] == "b02"
    rest = asked(viewer, f"batches/?before={first['next']}")
    assert ([line["id"] for line in rest["batches"]], rest["next"]) == (["b01", "b00"], None)
    assert len(asked(viewer, "batches/?which=open")["batches"]) == 14
    assert len(asked(viewer, "batches/?which=done")["batches"]) == 13
    assert asked(viewer, "batches/?which=failed")["batches"] == []
    wrong = viewer.get(f"{API}batches/?which=lost")
    assert wrong.status_code == 400
    assert "lost" in wrong.json()["error"]["message"]


def test_batch_tells_its_errors_and_its_callbacks_without_secrets(
    viewer: Client, sales: str
) -> None:
    found = asked(viewer, "batches/sales/")
    (fault,) = found["faults"]
    assert (fault["error"], fault["count"]) == ("ValueError: no stock", 2)
    (callback,) = found["callbacks"]
    assert (callback["event"], callback["task"], callback["state"]) == ("failure", "say", "to come")
    assert callback["kwargs"] == {"api_key": "********************"}
    html = viewer.get("/holdfast/batches/sales/").content.decode()
    for said in ("ValueError: no stock", "jobs/?batch=sales&amp;state=failed", "/workflows/sales/"):
        assert said in html
    assert "hush" not in html
    assert viewer.get(f"{API}batches/nobody/").status_code == 404


def test_fraction_is_a_bound_where_not_all_were_counted(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.ledger.reads.batch_reads.MOST_LISTED", 4)
    batch("done")
    members("a", 6, State.SUCCEEDED, batch_id="done")
    members("b", 1, State.QUEUED, batch_id="done")
    batch("open")
    members("c", 1, State.SUCCEEDED, batch_id="open")
    members("d", 6, State.HELD, batch_id="open")
    batch("some")
    members("e", 6, State.SUCCEEDED, batch_id="some")
    members("f", 6, State.HELD, batch_id="some")
    told = {
        line["id"]: (line["fraction"], line["at_least"], line["at_most"])
        for line in asked(viewer, "batches/")["batches"]
    }
    assert told == {
        "done": (0.8, True, False),
        "open": (0.2, False, True),
        "some": (None, False, False),
    }


def test_operator_cancels_what_waits_and_the_audit_knows(operator: Client, sales: str) -> None:
    assert "batch-cancel" not in operator.get("/holdfast/batches/sales/").content.decode()
    answer = operator.post(f"{API}batches/sales/cancel/", {"running": "leave"})
    assert answer.json()["cancelled"] == 2
    (line,) = audit.lines()
    assert (line.actor, json.loads(line.detail)) == ("operate@test", {"batch": "sales"})
    states = {s["state"]: s["count"] for s in asked(operator, "batches/sales/")["batch"]["states"]}
    assert states["cancelled"] == 2
    wrong = operator.post(f"{API}batches/sales/cancel/", {"running": "perhaps"})
    assert wrong.status_code == 422
    assert operator.post(f"{API}batches/nobody/cancel/", {"running": "leave"}).status_code == 404


def test_many_members_are_cancelled_and_replayed_by_operations(
    operator: Client, sales: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "AT_ONCE", 1)
    said = {"running": "leave", "reason": "a mistake"}
    answer = operator.post(f"{API}batches/sales/cancel/", said).json()
    (row,) = operations.listed()
    assert (answer["operation"], answer["left"]) == (row.id, 2)
    assert (row.kind, row.reason, row.options) == (
        "cancel-batch",
        "a mistake",
        {"running": "leave"},
    )
    page = operator.get(f"/holdfast/operations/{row.id}/").content.decode()
    assert "Cancel a batch" in page
    operations.run()
    states = {s["state"]: s["count"] for s in asked(operator, "batches/sales/")["batch"]["states"]}
    assert states["cancelled"] == 2

    monkeypatch.setattr(batches_actions, "MOST_REPLAYED", 1)
    answer = operator.post(f"{API}batches/sales/replay/").json()
    assert answer["left"] == 2
    found = operations.find(answer["operation"])
    assert found is not None
    assert (found.kind, found.filter) == ("replay-batch", {"batch": "sales"})
    page = operator.get(f"/holdfast/operations/{found.id}/").content.decode()
    assert "Replay a batch" in page


def test_operator_puts_failed_members_back_to_work(operator: Client, sales: str) -> None:
    assert operator.post(f"{API}batches/sales/replay/").json()["replayed"] == 2
    states = {s["state"]: s["count"] for s in asked(operator, "batches/sales/")["batch"]["states"]}
    assert "failed" not in states
    assert {(line.action, line.actor) for line in audit.lines()} == {("replay", "operate@test")}
    again = operator.post(f"{API}batches/sales/replay/")
    assert again.status_code == 409
    assert "nothing to replay" in again.json()["error"]["message"]


def test_viewer_and_read_only_console_change_nothing(
    viewer: Client, operator: Client, sales: str
) -> None:
    for action in ("cancel", "replay"):
        assert viewer.post(f"{API}batches/sales/{action}/", {"running": "stop"}).status_code == 403
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert operator.post(f"{API}batches/sales/replay/").status_code == 403
    assert audit.lines() == []


def test_batch_of_thousands_costs_as_many_statements_as_one_of_ten(viewer: Client) -> None:
    def cost(count: int, path: str) -> int:
        with statements() as sent:
            asked(viewer, path.format(count))
        return len(sent)

    for count in (10, 2000):
        batch(f"b{count}")
        members(f"s{count}", count, State.SUCCEEDED, batch_id=f"b{count}")
        failed = members(f"f{count}", count, State.FAILED, batch_id=f"b{count}", fingerprint="f")
        failures(failed[:1], "E")
    assert cost(10, "batches/b{}/") == cost(2000, "batches/b{}/") <= 14
    assert cost(10, "batches/") <= 8
