"""`manage.py holdfast workers`: what each live worker does, by what it told the ledger with its heartbeat."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command

import holdfast
from holdfast.ledger import workers
from holdfast.ledger.workers import Consuming


def hire(name: str, queues: Sequence[str]) -> UUID:
    worker = uuid4()
    workers.register(
        workers.Incarnation(
            id=worker, name=name, host="host", pid=7, pool="prefork", concurrency=2, queues=queues
        )
    )
    return worker


def about(seconds: float) -> Any:
    """That long ago, or as much longer as this test may take; rows keep milliseconds."""
    return pytest.approx(seconds + 29, abs=30)


def show(*words: str) -> str:
    out = StringIO()
    call_command("holdfast", "workers", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def crew(ledger: str) -> dict[str, UUID]:
    return {
        "new@host": hire("new@host", ["default"]),
        "stalled@host": hire("stalled@host", ["default", "reports"]),
        "stopping@host": hire("stopping@host", []),
        "well@host": hire("well@host", ["default"]),
    }


def test_workers_are_shown_with_what_they_heard_and_whether_they_are_stalled(
    crew: dict[str, UUID],
) -> None:
    workers.renew(crew["stalled@host"], consuming=Consuming(70.0, 30.0))
    workers.renew(crew["well@host"], consuming=Consuming(3.0, None))

    found = {row["name"]: row for row in json.loads(show("--json"))}

    assert {name: row["state"] for name, row in found.items()} == {
        "new@host": "serving",
        "stalled@host": "stalled",
        "stopping@host": "stopping",
        "well@host": "serving",
    }
    assert found["new@host"]["heard_seconds"] is None
    assert found["well@host"]["heard_seconds"] == about(3)
    assert found["stalled@host"]["stalled_seconds"] == about(30)
    lines = show().splitlines()
    assert lines[0].split() == ["worker", "pid", "pool", "slots", "queues", "state", "heard"]
    stalled = r"stalled@host +7 +prefork +2 +default, reports +STALLED +\d+ s ago"
    assert re.fullmatch(stalled, lines[2])


def test_worker_that_takes_jobs_again_is_not_stalled_any_more(crew: dict[str, UUID]) -> None:
    worker = crew["stalled@host"]
    workers.renew(worker, consuming=Consuming(70.0, 30.0))
    # What a beat does not know of canaries leaves the last one as it was.
    workers.renew(worker, consuming=Consuming(None, None))

    (row,) = [row for row in json.loads(show("--json")) if row["id"] == str(worker)]

    assert row["stalled_seconds"] is None
    assert row["heard_seconds"] == about(70)


def test_queue_of_a_stalled_worker_is_served_by_the_others_alone(crew: dict[str, UUID]) -> None:
    workers.renew(crew["stalled@host"], consuming=Consuming(70.0, 30.0))
    assert {queue.name: queue.workers for queue in holdfast.queues()} == {
        "default": ["new@host", "well@host"]
    }


def test_check_fails_for_a_stalled_worker_and_for_none(crew: dict[str, UUID]) -> None:
    show("--check")
    workers.renew(crew["well@host"], consuming=Consuming(70.0, 30.0))
    with pytest.raises(CommandError, match="1 workers are stalled: well@host"):
        show("--check")
    for worker in crew.values():
        workers.retire(worker)
    with pytest.raises(CommandError, match="No worker lives"):
        show("--check")
    assert holdfast.queues() == []
