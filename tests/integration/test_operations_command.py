"""Operations, purges and large batches at the terminal: counted first, asked for, told as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from holdfast import Batch, Celery, operations
from holdfast.ledger import audit, transitions
from holdfast.ledger.models import Job
from holdfast.ledger.states import State
from holdfast.testing.services import RedisServer
from tests import members
from tests.rows import hire, new_job
from tests.surroundings import shop_app


@pytest.fixture(autouse=True)
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    with shop_app(redis_server.url, number=13) as app:
        yield app


def told(*words: str) -> str:
    out = StringIO()
    call_command("holdfast", *words, stdout=out, stderr=out)
    return out.getvalue()


def waiting(many: int, **more: Any) -> list[str]:
    tickets = transitions.record([new_job(**more) for _ in range(many)])
    return [ticket.id for ticket in tickets]


def states() -> Counter[str]:
    found = Job.objects.using("ledger").values_list("state", flat=True)
    return Counter(State(state).name.lower() for state in found)


def test_operation_is_tried_out_and_asked_for() -> None:
    ids = waiting(7, queue="slow")
    said = told("operations", "ask", "queue", "queue:slow", "--queue", "fast", "--dry-run")
    assert "7 jobs would be moved" in said
    assert sum(id in said for id in ids) == 5
    trial = json.loads(told("operations", "ask", "cancel", "queue:slow", "--dry-run", "--json"))
    assert (trial["count"], trial["exact"], trial["dry_run"]) == (7, True, True)
    assert operations.listed() == []
    with pytest.raises(CommandError, match="say --yes"):
        told("operations", "ask", "cancel", "queue:slow")
    said = told(
        "operations", "ask", "queue", "queue:slow", "--queue", "fast", "--yes", "--reason", "r"
    )
    assert "No worker lives" in said
    operations.run()
    assert set(Job.objects.using("ledger").values_list("queue", flat=True)) == {"fast"}
    (row,) = operations.listed()
    assert (row.reason, row.done) == ("r", 7)


def test_what_was_not_meant_is_refused() -> None:
    waiting(1)
    for words, match in (
        (("cancel", "--yes"), "--everything"),
        (("purge", "task:t", "--yes"), "queue:NAME"),
        (("queue", "task:t", "--yes"), "Say queue"),
        (("cancel", "tsak:t", "--yes"), "tsak"),
        (("repaly", "task:t"), "repaly"),
    ):
        with pytest.raises(CommandError, match=match):
            told("operations", "ask", *words)
    assert operations.listed() == []
    hire()
    shown = json.loads(told("operations", "ask", "cancel", "--everything", "--yes", "--json"))
    assert (shown["kind"], shown["state"], shown["total"]) == ("cancel", "running", 1)


def test_queue_is_purged_at_once_or_by_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(3, queue="mail")
    waiting(1, queue="other")
    assert "3 jobs would be moved" in told("purge", "mail", "--dry-run")
    with pytest.raises(CommandError, match="Cancel 3 jobs that wait in the queue mail"):
        told("purge", "mail")
    assert "3 jobs of the queue mail are cancelled" in told(
        "purge", "mail", "--yes", "--reason", "flood", "--actor", "ada"
    )
    assert states() == {"cancelled": 3, "queued": 1}
    (line,) = audit.lines()
    assert (line.actor, line.detail) == ("ada", "queue mail: flood")
    assert json.loads(told("purge", "mail", "--json")) == {"cancelled": 0, "left": 0}

    monkeypatch.setattr(operations, "AT_ONCE", 2)
    waiting(3, queue="mail")
    transitions.record([new_job(queue="mail", delay_seconds=60.0)])
    row = json.loads(told("purge", "mail", "--later", "--yes", "--json", "--reason", "flood"))
    assert (row["kind"], row["total"], row["reason"]) == ("purge", 4, "flood")
    operations.run()
    assert states() == {"cancelled": 7, "queued": 1}


def test_large_batch_is_cancelled_by_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    members.batch("small")
    members.batch("large")
    members.members("s", 2, State.QUEUED, batch_id="small")
    members.members("l", 4, State.QUEUED, batch_id="large")
    members.members("r", 1, State.RUNNING, batch_id="large")
    monkeypatch.setattr(operations, "AT_ONCE", 2)
    said = told("cancel", "small", "large", "--yes", "--ask", "--reason", "no", "--actor", "ada")
    assert "small has 2 cancelled members" in said
    (row,) = operations.listed()
    assert f"large is cancelled; operation {row.id} cancels its 5 members" in said
    assert "No worker lives" in said
    assert (row.kind, row.options, row.reason) == ("cancel-batch", {"running": "ask"}, "no")
    assert {json.loads(line.detail).get("reason") for line in audit.lines()} == {"no"}
    operations.run()
    progress = Batch.get("large").progress()
    assert (progress.cancelled, progress.running) == (4, 1)
    shown = json.loads(told("cancel", "large", "--yes", "--keep-running", "--json"))
    assert shown == {"large": "open"}
