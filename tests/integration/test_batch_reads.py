"""Batches as people look at them, on both databases: listed, counted and explained with reads of bounded cost."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from holdfast import dead_letters
from holdfast.ledger.reads import batch_reads, tallies
from holdfast.ledger.states import State
from tests.members import batch, failures, members, statements

AT = datetime(2026, 6, 1, 13, 0, tzinfo=UTC)


def listed(which: str, **more: str | None) -> list[str]:
    before = more.get("before")
    return [row.id for row in batch_reads.page(which, before=before, limit=2)]


def test_batches_are_listed_in_pages_by_what_has_come_of_them(ledger: str) -> None:
    batch("b1", completed_at=AT, succeeded_at=AT, watched=False)
    batch("b2")
    batch("b3", failed_at=AT)
    batch("b4", failed_at=AT, completed_at=AT, watched=False)
    batch("b5", failed_at=AT, completed_at=AT, succeeded_at=AT, watched=False)
    assert listed("all") == ["b5", "b4"]
    assert listed("all", before="b4") == ["b3", "b2"]
    assert listed("open") == ["b3", "b2"]
    assert listed("done") == ["b5", "b4"]
    assert listed("failed") == ["b4", "b3"]


def test_members_of_inner_batches_count_for_all_around_them(ledger: str) -> None:
    for id, parent in (("a", None), ("b", "a"), ("c", "b"), ("d", None)):
        batch(id, parent_id=parent, deleted=1)
        members(id, 2, State.QUEUED, batch_id=id)
    within, whole = batch_reads.trees(["a", "b", "d"])
    assert whole
    assert within == {"a": ["a", "b", "c"], "b": ["b", "c"], "d": ["d"]}
    found = batch_reads.counted(within, most=10)
    assert {id: (c.states, c.deleted, c.open, c.done) for id, c in found.items()} == {
        "a": (Counter({State.QUEUED: 6}), 3, 6, 3),
        "b": (Counter({State.QUEUED: 4}), 2, 4, 2),
        "d": (Counter({State.QUEUED: 2}), 1, 2, 1),
    }


def test_counting_ends_at_its_bound_and_says_so(ledger: str) -> None:
    batch("a")
    members("s", 7, State.SUCCEEDED, batch_id="a")
    members("q", 3, State.QUEUED, batch_id="a")
    found = batch_reads.counted({"a": ["a"]}, most=5)["a"]
    assert found.states == {State.SUCCEEDED: 5, State.QUEUED: 3}
    assert found.more == {State.SUCCEEDED}


def test_more_inner_batches_than_are_looked_at_are_said_to_be(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_reads, "MOST_INNER", 2)
    batch("a")
    for id in ("b", "c"):
        batch(id, parent_id="a")
    assert batch_reads.trees(["a"]) == ({"a": ["a", "b", "c"]}, True)
    batch("d", parent_id="a")
    within, whole = batch_reads.trees(["a"])
    assert (len(within["a"]), whole) == (3, False)


def test_failed_members_are_grouped_by_their_cause(ledger: str) -> None:
    batch("a")
    timed_out = members("t", 3, State.FAILED, batch_id="a", fingerprint="f1")
    failures(timed_out, "TimeoutError: no answer")
    failures(members("p", 1, State.DEAD, batch_id="a", fingerprint="f2", reason="poison"), "lost")
    members("x", 2, State.FAILED, fingerprint="f1")
    members("s", 2, State.SUCCEEDED, batch_id="a")
    found = [(f.error, f.state, f.reason, f.count) for f in batch_reads.faults(["a"])]
    assert found == [("TimeoutError: no answer", "failed", "", 3), ("lost", "dead", "poison", 1)]


def test_dead_letters_are_selected_by_their_batch_and_those_inside(ledger: str) -> None:
    batch("a")
    batch("b", parent_id="a")
    members("a", 2, State.FAILED, batch_id="a")
    members("b", 1, State.DEAD, batch_id="b")
    members("x", 4, State.FAILED)
    assert dead_letters.filter(batch="a").count() == 3
    assert dead_letters.filter(batch="b").count() == 1
    out = StringIO()
    call_command("holdfast", "dead-letters", "list", "--batch", "b", "--json", stdout=out)
    assert [letter["id"] for letter in json.loads(out.getvalue())] == ["b-000000"]


def test_ten_batches_cost_as_many_statements_as_two(ledger: str) -> None:
    def cost(count: int) -> int:
        for number in range(count):
            batch(f"{count:02}-{number:03}")
            members(f"{count}-{number}", 3, State.QUEUED, batch_id=f"{count:02}-{number:03}")
        with statements() as sent:
            rows = batch_reads.page("all", before=None, limit=count)
            within, _ = batch_reads.trees([row.id for row in rows])
            batch_reads.counted(within, most=100)
        return len(sent)

    assert cost(2) == cost(10) <= 5


@pytest.mark.parametrize("column", ["batch_id", "group_id"])
def test_members_are_counted_from_their_index_and_no_further_than_the_bound(
    ledger: str, column: str
) -> None:
    if connections[ledger].vendor != "postgresql":
        pytest.skip("only PostgreSQL tells how many rows a statement has read")
    with connections[ledger].cursor() as cursor:
        # Many enough that a planner need not take the index to be quick.
        cursor.execute(
            "INSERT INTO holdfast_job (id, task, queue, priority, state, token, attempts, failures, losses, suspect, "
            f"ahead, hold, reason, recorded_at, ignore_result, linked, unsettled, {column}) "
            "SELECT 'm-' || n, 't', 'q', 0, 3, 1, 1, 0, 0, false, false, '', '', now(), false, false, false, "
            "CASE WHEN n %% 4 = 0 THEN 'a' END FROM generate_series(1, 20000) AS n",
            [],
        )
        cursor.execute("ANALYZE holdfast_job")
    plans: list[Any] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        with connections[ledger].cursor() as cursor:
            cursor.cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
            plans.append(cursor.fetchone()[0])
        return execute(sql, params, many, context)

    with connections[ledger].execute_wrapper(explain):
        found = tallies.tally(column, ["a"], most=50)
    assert found["a"] == {State.SUCCEEDED: 51}
    read = rows_of_jobs(plans[0][0]["Plan"])
    assert read
    assert max(read) <= 51


def rows_of_jobs(plan: dict[str, Any]) -> list[float]:
    """Return how many entries or rows of jobs each part of a plan has read, each time it ran."""
    found = [plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)]
    if plan.get("Relation Name") != "holdfast_job":
        found = []
    for child in plan.get("Plans", ()):
        found += rows_of_jobs(child)
    return found
