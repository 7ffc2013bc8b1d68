"""The charts of one queue: how much waited and for how long, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from holdfast.console import charts
from holdfast.console.charts import Chart, Line
from holdfast.console.numbers import grouped
from holdfast.ledger.reads.rates import Series
from holdfast.ledger.samples import Sample

# Points of a chart, whatever stretch it shows.
POINTS = 360
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCharts:
    """What became of the queue over time."""

    depth: Chart
    """How many jobs waited; the most of each stretch."""
    oldest: Chart
    """For how long the oldest had waited."""
    wait: Chart
    """How long the jobs that ended had waited for a worker."""
    ends: Chart
    """How many ended, and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthPoint:
    """How much waited in the queue at some time; None where nobody looked."""

    at: datetime
    waiting: int | None
    oldest_seconds: float | None


def depth(past: Sequence[Sample], *, until: datetime, hours: int) -> list[DepthPoint]:
    """Return the points of a chart: the most of each stretch; a stretch without a sample had nothing waiting.

    One missing sample between two others is no such stretch: somebody looked a little late.
    """
    minutes = max(1, hours * 60 // POINTS)
    step = minutes * MINUTE
    end = until.replace(second=0, microsecond=0)
    begin = end - timedelta(hours=hours)
    found: dict[int, DepthPoint] = {}
    for sample in past:
        place = int((sample.at - begin) / step)
        before = found.get(place)
        found[place] = DepthPoint(
            at=begin + place * step,
            waiting=max(sample.waiting, (before.waiting or 0) if before else 0),
            oldest_seconds=max(
                sample.oldest_seconds, (before.oldest_seconds or 0.0) if before else 0.0
            ),
        )
    last = int((end - begin) / step)
    return [found.get(n) or _nothing(begin + n * step, n, found) for n in range(last + 1)]


def _nothing(at: datetime, place: int, found: Mapping[int, DepthPoint]) -> DepthPoint:
    if place - 1 in found and place + 1 in found:
        return DepthPoint(at=at, waiting=None, oldest_seconds=None)
    return DepthPoint(at=at, waiting=0, oldest_seconds=0.0)


def drawn(points: Sequence[DepthPoint], series: Series) -> QueueCharts:
    """Return the charts of a queue: of what waited, and of what ended."""
    x = [charts.seconds_of(point.at) for point in points]
    most = max((point.waiting or 0 for point in points), default=0)
    longest = max((point.oldest_seconds or 0.0 for point in points), default=0.0)
    return QueueCharts(
        depth=Chart(
            kind="lines",
            unit="count",
            x=x,
            series=[Line(label=_("waiting"), values=[point.waiting for point in points])],
            says=_("at most %(most)s waited") % {"most": grouped(most)},
        ),
        oldest=Chart(
            kind="lines",
            unit="seconds",
            x=x,
            series=[Line(label=_("oldest"), values=[point.oldest_seconds for point in points])],
            says=_("at most %(most).3g seconds") % {"most": longest},
        ),
        wait=charts.spreads(series, "wait"),
        ends=charts.ends(series),
    )
