"""Lengths of time in slots: what goes in comes out again, as nearly as is said."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter

import pytest

from holdfast.ledger import histograms, tallies
from holdfast.ledger.histograms import BOUNDS, quantile, slot_of
from holdfast.ledger.tallies import ALL, OTHERS, Tally


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_estimate_is_at_most_a_quarter_off(share: float) -> None:
    source = random.Random(7)  # the same figures in every run
    lengths = sorted(source.lognormvariate(-1, 2) for _ in range(2000))
    lengths = [length for length in lengths if length > BOUNDS[0]]
    true = lengths[int(share * len(lengths))]
    estimate = quantile(Counter(slot_of(length) for length in lengths), share)
    assert estimate is not None
    assert 0.79 < estimate / true < 1.27


def test_ends_of_the_scale() -> None:
    assert quantile(Counter(), 0.5) is None
    assert quantile(Counter({0: 4}), 0.5) == pytest.approx(BOUNDS[0] / 2)
    assert quantile(Counter({histograms.SLOTS - 1: 1}), 0.99) == BOUNDS[-1]
    assert BOUNDS[-1] > 86_400


def test_text_gives_the_same_histogram_back() -> None:
    histogram = Counter({0: 1, 17: 400, 81: 2, 5: 0})
    assert histograms.read(histograms.write(histogram)) == Counter({0: 1, 17: 400, 81: 2})
    assert histograms.write(Counter()) == "{}"


def test_database_finds_the_same_slots() -> None:
    lengths = [0.0, 0.0009, 0.001, 0.00126, 0.5, 1.0, 59.9, 86_400.0, 1e9, *BOUNDS]
    with sqlite3.connect(":memory:") as database:
        found = [
            database.execute(
                f"SELECT {histograms.as_sql('n')} FROM (SELECT ? AS n)", [length]
            ).fetchone()[0]
            for length in lengths
        ]
        nothing = database.execute(f"SELECT {histograms.as_sql('n')} FROM (SELECT NULL AS n)")
        assert nothing.fetchone()[0] is None
    assert found == [slot_of(length) for length in lengths]


def test_names_beyond_the_most_frequent_are_counted_as_one() -> None:
    counted = {(f"task-{n:03}", f"queue-{n % 2}"): Tally(succeeded=n + 1) for n in range(10)}
    found = tallies.added_up(counted, most=3)
    assert found[ALL].succeeded == 55
    assert {key: tally.succeeded for key, tally in found.items() if key[0]} == {
        ("task-009", ""): 10,
        ("task-008", ""): 9,
        ("task-007", ""): 8,
        (OTHERS, ""): 28,
    }
    assert {key: tally.succeeded for key, tally in found.items() if key[1]} == {
        ("", "queue-0"): 25,
        ("", "queue-1"): 30,
    }
    assert tallies.of(counted, queue="queue-0").succeeded == 25
