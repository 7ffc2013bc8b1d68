"""Lengths of time, counted into slots of fixed bounds: ten a decade, from a millisecond to a day.

What is read off them is an estimate: the true value lies in the same slot, so it is at most a quarter off.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

# Seconds between the slots; the last slot is for all that took longer.
BOUNDS = tuple(round(0.001 * 10 ** (n / 10), 6) for n in range(81))
SLOTS = len(BOUNDS) + 1
# How many there are in each slot; an empty slot is left out.
Histogram = Counter[int]


def slot_of(seconds: float) -> int:
    """Return the slot of a length of time."""
    return bisect_right(BOUNDS, seconds)


def quantile(histogram: Histogram, share: float) -> float | None:
    """Estimate the seconds that this share of a histogram did not exceed.

    None if there is nothing in it; of what took longer than the last bound, that bound.
    """
    wanted, seen = share * histogram.total(), 0.0
    for slot in sorted(histogram):
        there = histogram[slot]
        if there and seen + there >= wanted:
            return _within(slot, max(0.0, wanted - seen) / there)
        seen += there
    return None


def seconds_in(histogram: Histogram) -> float:
    """Estimate how long all of it took together, an eighth off at most; of what took longer, the last bound."""
    return sum(_within(slot, 0.5) * n for slot, n in histogram.items())


def write(histogram: Histogram) -> str:
    """Return a histogram as text: JSON, short where few slots have something in them."""
    return json.dumps(
        {str(slot): n for slot, n in sorted(histogram.items()) if n}, separators=(",", ":")
    )


def read(text: str) -> Histogram:
    """Return what `write` has written."""
    return Counter({int(slot): n for slot, n in json.loads(text).items()})


def add(histogram: Histogram, text: str) -> None:
    """Add what `write` has written: charts add up thousands of them."""
    for slot, n in json.loads(text).items():
        histogram[int(slot)] += n


def as_sql(column: str, bounds: Iterable[float] = BOUNDS) -> str:
    """Return an expression for the slot of a column of seconds; NULL has none. By halves: seven comparisons."""
    return f"CASE WHEN {column} IS NOT NULL THEN {_halved(column, tuple(bounds), 0)} END"


def _within(slot: int, share: float) -> float:
    if slot == 0:
        return BOUNDS[0] * share
    if slot >= len(BOUNDS):
        return BOUNDS[-1]
    low, high = BOUNDS[slot - 1], BOUNDS[slot]
    return float(low * (high / low) ** share)


def _halved(column: str, bounds: tuple[float, ...], first: int) -> str:
    if not bounds:
        return str(first)
    middle = len(bounds) // 2
    below = _halved(column, bounds[:middle], first)
    above = _halved(column, bounds[middle + 1 :], first + middle + 1)
    return f"CASE WHEN {column} < {bounds[middle]} THEN {below} ELSE {above} END"
