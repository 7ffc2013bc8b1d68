"""The gate over costs must be able to refuse, and its readers must count what goes over a wire."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from benchmarks.budgets.budget import Budgets
from benchmarks.budgets.calls import counted
from benchmarks.budgets.readings import Reading, least
from benchmarks.budgets.wire import PostgresReader, RedisReader, head

TOLERANCES = {"queued": 0.5, "": 0.1}


def budgets(**measures: float) -> Budgets:
    return Budgets({"postgres": {"delay()": measures}}, TOLERANCES)


def test_one_statement_more_is_refused_with_its_text_and_the_repair() -> None:
    reading = Reading({"sql statements": 2.0}, {"INSERT INTO job": 1.0, "SELECT ?": 1.0})

    (excess,) = budgets(**{"sql statements": 1.0}).exceeded("postgres", {"delay()": reading})

    said = str(excess)
    assert "postgres, delay(), sql statements: 2.0, the budget is 1.0: 100 % more" in said
    assert "1.00 x SELECT ?" in said
    assert "python -m benchmarks.budgets --write" in said


@pytest.mark.parametrize(("value", "refused"), [(90.0, 0), (109.9, 0), (110.1, 1)])
def test_what_is_within_the_tolerance_or_cheaper_is_let_through(value: float, refused: int) -> None:
    found = budgets(calls=100.0).exceeded("postgres", {"delay()": Reading({"calls": value})})
    assert len(found) == refused


def test_what_a_call_of_many_does_once_is_no_cost_of_a_job() -> None:
    reading = Reading({"sql statements": 5 / 500, "sql bytes": 100.0})
    recorded = budgets(**{"sql statements": 3 / 500, "sql bytes": 80.0})
    (excess,) = recorded.exceeded("postgres", {"delay()": reading})
    assert excess.measure == "sql bytes"


def test_tolerance_is_that_of_the_first_words_found() -> None:
    assert budgets().tolerance("threads: plain, queued", "calls") == 0.5
    assert budgets().tolerance("delay()", "calls") == 0.1


def test_reading_without_a_budget_and_budget_without_a_reading_are_refused() -> None:
    found = budgets(calls=1.0).exceeded("postgres", {"new": Reading({"calls": 1.0})})
    assert ["there is no budget" in str(each) for each in found] == [True, False]
    assert "nothing reads it" in str(found[1])


def test_what_has_become_cheaper_is_named() -> None:
    found = budgets(calls=100.0).well_below("postgres", {"delay()": Reading({"calls": 80.0})})
    assert found == ["postgres, delay(), calls: 80.0 of 100.0"]


def test_least_of_two_readings_is_taken_measure_by_measure() -> None:
    one = {"delay()": Reading({"calls": 5.0, "sql bytes": 9.0})}
    other = {"delay()": Reading({"calls": 6.0, "sql bytes": 8.0})}
    assert least(one, other)["delay()"].values == {"calls": 5.0, "sql bytes": 8.0}


def test_recorded_budgets_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "budgets.json"
    budgets().with_readings("sqlite", {"delay()": Reading({"calls": 977.04})}).write(path)
    assert Budgets.read(path).values["sqlite"] == {"delay()": {"calls": 977.0}}


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def test_round_trip_to_postgresql_ends_where_the_server_is_ready() -> None:
    reader = PostgresReader()
    asked = [struct.pack("!ii", 8, 80877103), struct.pack("!ii", 8, 196608)]
    reader.sent(asked[0])
    reader.answered(b"N")
    reader.sent(asked[1])
    reader.answered(message(b"R", b"\0\0\0\0") + message(b"Z", b"I"))
    before = reader.tally.round_trips

    named = message(b"P", b"s1\0SELECT  7\0\0\0") + message(b"B", b"\0s1\0") + message(b"E", b"\0")
    # In two pieces, cut within a message.
    for piece in (named[:9], named[9:] + message(b"S")):
        reader.sent(piece)
    reader.answered(message(b"D", b"Z") + message(b"Z", b"I"))
    reader.sent(message(b"Q", b"COMMIT\0"))
    reader.answered(message(b"Z", b"I"))

    assert reader.tally.round_trips - before == 2
    assert dict(reader.tally.statements) == {"SELECT ?": 1, "COMMIT": 1}


def test_pipeline_to_redis_is_one_round_trip_and_a_wait_in_vain_is_none() -> None:
    reader = RedisReader()
    reader.sent(b"LPUSH")
    reader.sent(b"LPUSH")
    reader.answered(b":1\r\n")
    reader.answered(b":2\r\n")
    reader.sent(b"*3\r\n$5\r\nBRPOP\r\n$1\r\nq\r\n$1\r\n1\r\n")
    reader.answered(b"*-1\r\n")
    assert (reader.tally.round_trips, reader.tally.waits) == (1, 1)
    assert reader.tally.bytes == len(b"LPUSHLPUSH:1\r\n:2\r\n")

    # Not a wait: somebody has been asked in vain.
    reader.sent(b"*3\r\n$4\r\nRPOP\r\n$1\r\nq\r\n$1\r\n9\r\n")
    reader.answered(b"*-1\r\n")
    assert (reader.tally.round_trips, reader.tally.waits) == (2, 1)


def test_statements_that_differ_in_their_values_are_one() -> None:
    assert head("SELECT  'a''b', 17\n FROM t1") == head("SELECT 'c', 18 FROM t1")


def test_calls_are_counted_in_python_and_in_c() -> None:
    def one() -> None:
        len([])

    def two() -> None:
        one()
        one()

    fewer, more = counted(one, repeats=3), counted(two, repeats=3)
    assert more > fewer >= 2
