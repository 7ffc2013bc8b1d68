"""What a metric is at this moment: one value with its labels, and no library's type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import TypeVar

from holdfast.ledger.histograms import Histogram
from holdfast.metrics.bounds import BUCKETS, Metric

T = TypeVar("T")
# A label longer than this is cut: names are 255 at most.
LONGEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One series now."""

    metric: Metric
    labels: tuple[str, ...] = ()
    value: float = 0.0
    """Of a histogram, the sum of what was counted."""
    buckets: tuple[int, ...] = ()
    """Of a histogram: how many were no longer than each of `BUCKET_SECONDS`, and in all."""
    example: str = ""
    """The id of a job that was counted, and when."""
    example_at: datetime | None = None


def reading(metric: Metric, value: float, *labels: str) -> Reading:
    """Return the value of a counter or a gauge; labels in the order of the contract."""
    return Reading(metric=metric, labels=_cut(labels), value=float(value))


def spread(metric: Metric, histogram: Histogram, seconds: float, *labels: str) -> Reading:
    """Return a histogram in the slots that metrics have, which are some of those that it was counted in."""
    ends = [*BUCKETS, max([*histogram, BUCKETS[-1] + 1])]
    steps, last = [], -1
    for end in ends:
        steps.append(sum(histogram[slot] for slot in range(last + 1, end + 1)))
        last = end
    return Reading(
        metric=metric, labels=_cut(labels), value=seconds, buckets=tuple(accumulate(steps))
    )


def first(items: Iterable[T], *, most: int, key: Callable[[T], str]) -> Iterator[T]:
    """Return so many of some things, in the order of their names: the same ones at every look."""
    yield from sorted(items, key=key)[:most]


def _cut(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(label[:LONGEST] for label in labels)
