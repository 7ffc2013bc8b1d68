"""`manage.py holdfast operations`: what is under way, worked off without a worker, and stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from holdfast import Celery
from holdfast.testing.services import RedisServer
from tests.operated import ask, dead_letters, states, waiting
from tests.surroundings import shop_app


@pytest.fixture
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    with shop_app(redis_server.url, number=13) as app:
        yield app


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("holdfast", "operations", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_command_lists_runs_and_stops(app: Celery) -> None:
    assert "No operation" in command("list")
    ids = dead_letters(2)
    row = ask("replay", {"task": "t"}, reason="outage")
    said = command("list")
    assert "replay" in said
    assert "running" in said
    assert "No worker lives" not in said  # one was hired
    assert json.loads(command("run", "--json")) == {"slices": 1, "running": []}
    assert states(ids) == {"QUEUED": 2}
    (shown,) = json.loads(command("list", "--json"))
    assert (shown["id"], shown["state"], shown["done"]) == (row.id, "done", 2)
    assert "was over before: done" in command("stop", str(row.id))
    asked = ask("replay", {"task": "t"})
    assert json.loads(command("stop", str(asked.id), "--actor", "grace", "--json"))["stopped"]
    with pytest.raises(CommandError, match="no operation 999"):
        command("stop", "999")


def test_command_says_when_nobody_works(app: Celery) -> None:
    waiting(1)
    ask("cancel", {"task": "t"})
    assert "No worker lives" in command("list")
