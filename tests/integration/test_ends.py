"""Ends left to a worker's main process: written together, each fenced by itself, none lost and none twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext

from holdfast.ledger import interventions, logs, transitions
from holdfast.ledger.database import dialect
from holdfast.ledger.models import Job, Result
from holdfast.ledger.models.logs import AttemptLog
from holdfast.ledger.records import End, StoredResult
from tests.ended import Told, run, states
from tests.rows import RESULT, hire

UNWRITABLE = StoredResult(
    status=None,  # type: ignore[arg-type]  # a column that may not be null refuses it
    result=b"1",
    content_type="application/json",
    content_encoding="utf-8",
)


@pytest.fixture
def told(ledger: str) -> Told:
    return Told(hire())


@contextmanager
def _database_away() -> Iterator[None]:
    away = mock.Mock(side_effect=OperationalError("gone"))
    with mock.patch.object(type(dialect()), "succeed_many", away):
        yield


def test_all_that_has_come_is_written_with_one_commit(ledger: str, told: Told) -> None:
    few, many = run(told.worker, "a"), run(told.worker, *(f"job-{n}" for n in range(30)))

    with CaptureQueriesContext(connections[ledger]) as one:
        told.add(few[0], RESULT)
        assert not told.ends.write()
    with CaptureQueriesContext(connections[ledger]) as thirty:
        for n, hold in enumerate(many):
            told.add(hold, RESULT if n % 2 else None)
        assert not told.ends.write()

    assert len(thirty) <= len(one) + 1
    assert set(states(ledger).values()) == {"succeeded"}
    kept = set(Result.objects.using(ledger).values_list("id", flat=True))
    assert kept == {"a"} | {f"job-{n}" for n in range(1, 30, 2)}
    assert told.heard == ["a", *(hold.id for hold in many)]
    assert told.ends.write()
    assert len(told.ends) == 0
    assert told.ends.await_written(seconds=0)


def test_lines_are_written_with_the_ends_they_came_with(ledger: str, told: Told) -> None:
    few, many = run(told.worker, "a"), run(told.worker, *(f"job-{n}" for n in range(30)))
    with CaptureQueriesContext(connections[ledger]) as one:
        told.add(few[0], RESULT, "a line")
        told.ends.write()
    with CaptureQueriesContext(connections[ledger]) as thirty:
        for n, hold in enumerate(many):
            told.add(hold, RESULT if n % 3 else None, f'"line"\n{{{n}}} ü' if n % 2 else "")
        told.ends.write()

    assert len(thirty) <= len(one)
    assert set(states(ledger).values()) == {"succeeded"}
    assert logs.of_job("a") == {1: ["a line"]}
    for n in range(30):
        assert logs.of_job(f"job-{n}") == ({1: ['"line"', f"{{{n}}} ü"]} if n % 2 else {})


def test_ends_that_bring_much_along_are_written_in_parts(ledger: str, told: Told) -> None:
    holds = run(told.worker, *"abcdef")
    for hold in holds:
        told.add(hold, log="x" * 60_000)
    with mock.patch("holdfast.worker.ends.MOST_BYTES", 100_000):
        for written in (2, 4, 6):
            told.ends.write()
            assert told.heard == [hold.id for hold in holds[:written]]
        assert told.ends.write()


def test_token_rises_as_at_any_other_end(ledger: str, told: Told) -> None:
    (hold,) = run(told.worker, "a")
    told.add(hold)
    told.ends.write()
    row = Job.objects.using(ledger).get(id="a")
    assert row.token == hold.token + 1
    assert row.finished_at is not None


def test_end_of_a_job_that_has_moved_on_changes_nothing(ledger: str, told: Told) -> None:
    cancelled, lost, standing = run(told.worker, "cancelled", "lost", "standing")
    interventions.cancel(["cancelled"], running=True)
    transitions.lose(lost, cause="its process died")
    for hold in (cancelled, lost, standing):
        told.add(hold, RESULT, hold.id)

    told.ends.write()

    assert states(ledger) == {"cancelled": "cancelled", "lost": "queued", "standing": "succeeded"}
    assert list(Result.objects.using(ledger).values_list("id", flat=True)) == ["standing"]
    assert list(AttemptLog.objects.using(ledger).values_list("text", flat=True)) == ["standing"]
    assert told.heard == ["standing"]
    assert len(told.ends) == 0


def test_ends_of_a_lost_lease_are_dropped(ledger: str, told: Told) -> None:
    before, after = run(told.worker, "before", "after")
    told.add(before)
    told.ends.drop()
    told.add(after)
    told.worker = uuid4()

    told.ends.write()

    assert set(states(ledger).values()) == {"running"}
    assert not told.heard
    assert len(told.ends) == 0


def test_ends_wait_for_a_database_that_is_away(ledger: str, told: Told) -> None:
    holds = run(told.worker, "a", "b")
    for hold in holds:
        told.add(hold)
    with _database_away():
        for _ in range(2):
            with pytest.raises(OperationalError):
                told.ends.write()
    assert all(hold in told.ends for hold in holds)
    assert not told.ends.await_written(seconds=0)

    told.ends.write()

    assert set(states(ledger).values()) == {"succeeded"}
    assert told.heard == ["a", "b"]


def test_end_whose_commit_was_answered_by_nobody_is_written_once(ledger: str, told: Told) -> None:
    (hold,) = run(told.worker, "a")
    told.add(hold, RESULT)
    stock = type(dialect()).succeed_many

    def cut_off(*args: Any, **kwargs: Any) -> Any:
        stock(*args, **kwargs)
        raise OperationalError("the server closed the connection")

    with (
        mock.patch.object(type(dialect()), "succeed_many", cut_off),
        pytest.raises(OperationalError),
    ):
        told.ends.write()
    assert not told.heard

    told.ends.write()

    assert told.heard == ["a"]
    assert Job.objects.using(ledger).get(id="a").token == hold.token + 1


def test_end_that_cannot_be_written_fails_its_job_alone(ledger: str, told: Told) -> None:
    first, bad, last = run(told.worker, "first", "bad", "last")
    told.add(first, RESULT)
    told.add(bad, UNWRITABLE)
    told.add(last)

    told.ends.write()

    assert states(ledger) == {"first": "succeeded", "bad": "failed", "last": "succeeded"}
    assert len(told.ends) == 0


def test_lines_that_cannot_be_written_fail_no_job(ledger: str, told: Told) -> None:
    holds = run(told.worker, "first", "bad", "last")
    for hold in holds:
        told.add(hold, RESULT, "\ud800" if hold.id == "bad" else "a line")

    told.ends.write()

    assert set(states(ledger).values()) == {"succeeded"}
    assert Result.objects.using(ledger).count() == 3
    assert [logs.of_job(hold.id) for hold in holds] == [{1: ["a line"]}, {}, {1: ["a line"]}]


def test_who_hears_of_an_end_cannot_keep_the_others_from_it(ledger: str, told: Told) -> None:
    holds = run(told.worker, "a", "b")
    told.ends.add(End(holds[0]), then=mock.Mock(side_effect=RuntimeError("deaf")))
    told.add(holds[1])
    told.ends.write()
    assert set(states(ledger).values()) == {"succeeded"}
    assert told.heard == ["b"]


def test_row_in_somebodys_transaction_keeps_no_other_end_waiting(ledger: str, told: Told) -> None:
    if connections[ledger].vendor == "sqlite":
        pytest.skip("SQLite locks no rows")
    dialect().own_session()
    holds = run(told.worker, "locked", "free")
    other = connections[ledger].copy(alias=ledger)
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM holdfast_job WHERE id = 'locked' FOR UPDATE")
        for hold in holds:
            told.add(hold, RESULT, hold.id)
        told.ends.write()
        assert states(ledger) == {"locked": "running", "free": "succeeded"}
        assert holds[0] in told.ends
        assert told.ends.write(), "it is not asked for again at once"
    finally:
        other.close()

    with mock.patch("holdfast.worker.ends.time.monotonic", return_value=float("inf")):
        told.ends.write()
    assert set(states(ledger).values()) == {"succeeded"}
    assert [logs.of_job(hold.id) for hold in holds] == [{1: ["locked"]}, {1: ["free"]}]
    # The session was the ledger's own for a moment.
    connections[ledger].close()
