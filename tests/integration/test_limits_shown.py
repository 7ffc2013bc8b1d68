"""Limits as people see them: how full, who is in, who waits by key, when the rate lets the next one in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from holdfast.ledger import transitions
from holdfast.ledger.limiting import shown
from holdfast.ledger.records import Use
from tests.limited import admit, bound, run, wait
from tests.rows import hire


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def asked_by(ledger: str, ask: Any) -> int:
    with CaptureQueriesContext(connections[ledger]) as asked:
        ask()
    return len(asked)


def test_limit_shows_who_is_in_and_who_waits_by_key(ledger: str, worker: UUID) -> None:
    bound("l", concurrency=3, per_key=1)
    for number in range(3):
        wait(f"a{number}", Use("l", "a"))
    wait("heavy", Use("l", "b", 2), priority=5)
    wait("light", Use("l", "b"))
    assert sorted(admit("l")) == ["a0", "heavy"]
    run(worker, "heavy")

    limit = shown.limit("l")
    assert limit is not None
    assert (limit.taken, limit.waiting, limit.share, limit.is_full) == (3, 3, 1.0, True)
    assert (limit.tokens, limit.next_seconds, limit.is_set) == (None, None, False)
    assert [
        (one.job, one.key, one.weight, one.state, one.worker) for one in shown.holders("l")
    ] == [("heavy", "b", 2, "running", str(worker)), ("a0", "a", 1, "queued", None)]
    assert all(one.since for one in shown.holders("l"))
    lines = {line.key: line for line in shown.waiters("l")}
    assert {
        key: (line.waiting, [one.job for one in line.first]) for key, line in lines.items()
    } == {
        "a": (2, ["a1", "a2"]),
        "b": (1, ["light"]),
    }


def test_job_that_is_over_holds_nothing_though_nobody_has_told_yet(
    ledger: str, worker: UUID
) -> None:
    bound("l", concurrency=2)
    for number in range(2):
        wait(f"j{number}")
    admit("l")
    assert transitions.succeed(run(worker, "j0"), stored=None)
    limit = shown.limit("l")
    assert limit is not None
    assert (limit.taken, limit.is_full) == (1, False)
    assert [one.job for one in shown.holders("l")] == ["j1"]


def test_rate_says_when_the_next_one_comes_and_a_look_changes_nothing(ledger: str) -> None:
    bound("l", rate="1/h")
    for number in range(2):
        wait(f"j{number}")
    full = shown.limit("l")
    assert full is not None
    assert (full.tokens, full.next_seconds, full.is_full) == (1.0, 0.0, False)
    assert len(admit("l")) == 1
    empty = shown.limit("l")
    assert empty is not None
    assert empty.next_seconds == pytest.approx(3600, abs=60)
    assert empty.is_full
    with CaptureQueriesContext(connections[ledger]) as asked:
        shown.limit("l")
    assert not [query for query in asked if "UPDATE" in query["sql"]], "nobody is locked out"


def test_many_limits_and_long_lines_cost_no_more_statements(ledger: str, worker: UUID) -> None:
    bound("l", concurrency=1)
    wait("first")
    one = asked_by(ledger, lambda: (shown.limits(), shown.holders("l"), shown.waiters("l")))
    for number in range(30):
        bound(f"m{number:02}", concurrency=1)
        wait(f"j{number}", Use("l", f"k{number}"))
        wait(f"n{number}", Use(f"m{number:02}"))
    assert asked_by(ledger, lambda: (shown.limits(), shown.holders("l"), shown.waiters("l"))) == one
    assert len(shown.limits()) == 31
    assert [limit.name for limit in shown.limits(after="m27", many=5)] == ["m28", "m29"]
    assert len(shown.waiters("l")) == shown.MOST_SHOWN


def test_lines_are_counted_to_a_bound(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_WAITING", "_WAITING_FOR"):
        monkeypatch.setattr(shown, name, getattr(shown, name).replace("10000", "3"))
    bound("l", concurrency=1)
    for number in range(5):
        wait(f"j{number}")
    limit = shown.limit("l")
    assert limit is not None
    assert limit.waiting == 3
    assert [line.waiting for line in shown.waiters("l")] == [3]


def test_limit_that_is_not_there_is_none(ledger: str) -> None:
    assert shown.limit("nothing") is None
    assert shown.limits() == []
    assert shown.waiters("nothing") == []
    assert shown.holders("nothing") == []
