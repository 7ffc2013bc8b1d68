"""`manage.py seed_sales`: sales of the last twelve months, for reports to add up; `make up` runs it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from random import Random
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from jost.reports.models import Sale

SLICE = 5000
DAYS = 365
REGIONS = ("Africa", "Asia", "Europe", "North America", "Oceania", "South America")
# With the price of one in cents.
CATEGORIES = (
    ("Books", 240),
    ("Cards", 450),
    ("Chips", 1790),
    ("Clothing", 3900),
    ("Furniture", 12900),
    ("Lamps", 5400),
    ("Music", 990),
    ("Toys", 1500),
)


class Command(BaseCommand):
    help = "Add sales, the same ones each time, until there are so many."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=float, default=1_000_000, help="How many: 1e6.")

    def handle(self, *_: Any, **options: Any) -> None:
        there = Sale.objects.count()
        rows = sales(seed=there, today=timezone.localdate())
        left = max(0, int(options["rows"]) - there)
        for size in (min(SLICE, left - done) for done in range(0, left, SLICE)):
            Sale.objects.bulk_create(islice(rows, size))
        if options["verbosity"] > 0:
            self.stdout.write(f"{max(there, int(options['rows']))} sales are there.")


def sales(*, seed: int, today: date) -> Iterator[Sale]:
    """Sales of the year before today, without an end."""
    chance = Random(seed)  # noqa: S311 - the same sales again, no secret
    days = [today - timedelta(days=1 + back) for back in range(DAYS)]
    while True:
        category, price = chance.choice(CATEGORIES)
        quantity = 1 + int(chance.random() * 5)
        yield Sale(
            sold_on=days[int(chance.random() * DAYS)],
            region=REGIONS[int(chance.random() * len(REGIONS))],
            category=category,
            customer=1 + int(chance.random() * 50_000),
            quantity=quantity,
            amount_cents=quantity * price,
        )
