"""What a chart is drawn from: times, lines over them, and the words around them; drawn by static/holdfast/js/charts.js.

{{ page.chart.data|json_script:"ends" }}{% chart "ends" _("Jobs that ended") %}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.utils.translation import gettext as _

from holdfast.console.encode import as_json
from holdfast.ledger.reads.rates import Point, Series

Colour = Literal["good", "bad", "warn", "main", "quiet", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart, or one layer of a stack."""

    label: str
    values: list[float | None]
    """One for each time; None leaves a gap."""
    color: Colour = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Where a chart that stays open asks for its data again."""

    url: str
    """An address that answers with JSON."""
    key: str
    """Where the chart is in the answer: names with dots between them."""
    seconds: float = 10.0
    """How often at most."""


def words() -> dict[str, str]:
    """Return the words around every chart, in the language of whoever looks."""
    return {
        "time": _("Time"),
        "table": _("The same as a table"),
        "empty": _("Nothing in this time."),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over time, or layers of a stack."""

    kind: Literal["lines", "stack"]
    unit: Literal["count", "seconds", "share"]
    x: list[float]
    """Seconds since 1970, rising."""
    series: list[Line]
    says: str = ""
    """What it shows, in a sentence, for those who cannot see it."""
    refresh: Refresh | None = None
    words: dict[str, str] = field(default_factory=words)

    @property
    def data(self) -> Any:
        """Return it in types of JSON."""
        return as_json(self)


def ends(series: Series, *, refresh: Refresh | None = None) -> Chart:
    """Return how many jobs ended and how, step by step."""
    whole = series.whole
    return Chart(
        kind="stack",
        unit="count",
        x=_times(series.points),
        series=[
            _line(_("succeeded"), "good", series.points, lambda point: point.succeeded),
            _line(_("failed"), "bad", series.points, lambda point: point.failed),
            _line(_("cancelled"), "quiet", series.points, lambda point: point.cancelled),
        ],
        says=_("%(good)s succeeded, %(bad)s failed, %(rest)s were cancelled")
        % {"good": whole.succeeded, "bad": whole.failed, "rest": whole.cancelled},
        refresh=refresh,
    )


def spreads(
    series: Series, what: Literal["wait", "run"], *, refresh: Refresh | None = None
) -> Chart:
    """Return how long jobs waited or ran, step by step, as estimated percentiles."""
    whole = getattr(series.whole, what)
    return Chart(
        kind="lines",
        unit="seconds",
        x=_times(series.points),
        series=[
            _line("p50", "main", series.points, lambda point: getattr(point, what).p50),
            _line("p95", "other", series.points, lambda point: getattr(point, what).p95),
            _line("p99", "warn", series.points, lambda point: getattr(point, what).p99),
        ],
        says=""
        if whole.p50 is None
        else _("half within %(p50).3g s, 95 %% within %(p95).3g s")
        % {"p50": whole.p50, "p95": whole.p95},
        refresh=refresh,
    )


def seconds_of(moment: datetime) -> float:
    """Return a moment as charts have it."""
    return moment.timestamp()


def _times(points: Iterable[Point]) -> list[float]:
    return [seconds_of(point.at) for point in points]


def _line(
    label: str, color: Colour, points: Iterable[Point], value: Callable[[Point], float | None]
) -> Line:
    return Line(label=label, color=color, values=[value(point) for point in points])
