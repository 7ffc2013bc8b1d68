"""`manage.py seed_shop`: something to buy in a shop that has nothing; `make up` runs it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand

from jost.orders.models import Product

GOODS = (
    ("Felt table top", "129.00", 40),
    ("Deck of cards", "4.50", 5000),
    ("Dealer shoe, 6 decks", "39.90", 200),
    ("Cut card", "1.20", 10_000),
    ("Chip set, 500 pieces", "89.00", 120),
    ("Signed ace", "950.00", 3),
)


class Command(BaseCommand):
    help = "Add some products, if there is none."

    def handle(self, *_: Any, **options: Any) -> None:
        if Product.objects.exists():
            return
        Product.objects.bulk_create(
            (Product(name=name, price=Decimal(price), stock=stock) for name, price, stock in GOODS),
            # Two that fill it at once fill it once.
            ignore_conflicts=True,
        )
        if options["verbosity"] > 0:
            self.stdout.write(f"{len(GOODS)} products are for sale.")
