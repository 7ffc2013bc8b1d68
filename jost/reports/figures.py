"""What was sold, added up by the database: a month takes it about a tenth of a second for 100,000 sales."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum

from .models import Category, Region, ReportLine, Sale
from .periods import Period


def lines_of(month: Period) -> list[ReportLine]:
    """Add up one month of a period, by region and category; the lines are not saved."""
    rows = (
        Sale.objects.filter(sold_on__range=(month.since, month.until))
        .values("region", "category")
        .annotate(
            sales=Count("pk"),
            pieces=Sum("quantity"),
            cents=Sum("amount_cents"),
            customers=Count("customer", distinct=True),
        )
        .order_by("region", "category")
    )
    return [ReportLine(month=month.since, **_in_words(row)) for row in rows]


def _in_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """Name region and category: a line says what it said, whatever becomes of their numbers."""
    words = {"region": Region(row["region"]).label, "category": Category(row["category"]).label}
    return {**row, **words}


def all_lines(period: Period) -> list[ReportLine]:
    """Add up a whole period at once, as a request does that has its user wait."""
    return [line for month in period.parts() for line in lines_of(month)]


@dataclass(slots=True, kw_only=True)
class Total:
    """Of some lines, by what they have in common."""

    name: str
    sales: int = 0
    pieces: int = 0
    cents: int = 0

    @property
    def amount(self) -> Decimal:
        return Decimal(self.cents) / 100


def totals(lines: Iterable[ReportLine], *, by: Callable[[ReportLine], str]) -> list[Total]:
    """The lines added up by what `by` says of each, in the order in which they come."""
    found: dict[str, Total] = {}
    for line in lines:
        total = found.setdefault(by(line), Total(name=by(line)))
        total.sales += line.sales
        total.pieces += line.pieces
        total.cents += line.cents
    return list(found.values())


def by_month(lines: Iterable[ReportLine]) -> list[Total]:
    return totals(lines, by=lambda line: f"{line.month:%Y-%m}")


def by_region(lines: Iterable[ReportLine]) -> list[Total]:
    return sorted(totals(lines, by=lambda line: line.region), key=lambda total: total.name)


def in_all(lines: Iterable[ReportLine]) -> Total:
    return next(iter(totals(lines, by=lambda _: "all")), Total(name="all"))
