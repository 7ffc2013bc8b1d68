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

from jost.reports.models import Category, Region, Sale

SLICE = 5000
DAYS = 365
# What one costs in cents.
PRICES = {
    Category.BOOKS: 240,
    Category.CARDS: 450,
    Category.CHIPS: 1790,
    Category.CLOTHING: 3900,
    Category.FURNITURE: 12900,
    Category.LAMPS: 5400,
    Category.MUSIC: 990,
    Category.TOYS: 1500,
}


class Command(BaseCommand):
    help = "Add sales, the same ones each time, until there are so many."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=float, default=1_000_000, help="How many: 1e6.")

    def handle(self, *_: Any, **options: Any) -> None:
        there = Sale.objects.count()
        left = max(0, int(options["rows"]) - there)
        rows = sales(left, seed=there, today=timezone.localdate())
        while some := list(islice(rows, SLICE)):
            Sale.objects.bulk_create(some)
        if options["verbosity"] > 0:
            self.stdout.write(f"{max(there, int(options['rows']))} sales are there.")


def sales(rows: int, *, seed: int, today: date) -> Iterator[Sale]:
    """So many sales of the year before today, in the order of their days, as a till records them."""
    chance = Random(seed)  # noqa: S311 - the same sales again, no secret
    first_day = today - timedelta(days=DAYS)
    for number in range(rows):
        category, price = chance.choice(tuple(PRICES.items()))
        quantity = 1 + int(chance.random() * 5)
        yield Sale(
            sold_on=first_day + timedelta(days=number * DAYS // rows),
            region=chance.choice(Region.values),
            category=category,
            customer=1 + int(chance.random() * 50_000),
            quantity=quantity,
            amount_cents=quantity * price,
        )
