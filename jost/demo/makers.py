"""What the load of the demo asks for, and how often: each app adds a maker; run by `jost.demo.load`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from random import Random
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F, Max
from django.utils import timezone

from jost.accounts.models import Mail
from jost.accounts.services import sign_up
from jost.imports.models import Import
from jost.imports.services import begin
from jost.leads import services
from jost.leads.models import FollowupRule, Lead, Status
from jost.orders import checkout, steps
from jost.orders.models import Order, Product
from jost.reports import making
from jost.reports.periods import period
from jost.simulations import lifecycle
from jost.simulations.models import Simulation
from jost.simulations.presets import PRESETS
from jost.simulations.setup import Setup

# As every simulation of the load is called: they are compared with each other, and the oldest go.
NAME = "demo"
SEEDS = 4
MOST_SIMULATIONS = 100
ROUNDS = 4_000_000
# A file of the load: so many rows, no two alike, some of them wrong. The oldest go.
FILE = f"{NAME}.csv"
ROWS, WRONG_ROWS = 2500, 5
MOST_FILES = 100
# Who is asked for again is among the newest so many.
LATELY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Asks for one thing, so many times a minute; `page` is where JOST is."""

    name: str
    per_minute: float
    make: Callable[[Random, str], None]


MAKERS: list[Maker] = []

Make = Callable[[Random, str], None]


def makes(name: str, *, per_minute: float) -> Callable[[Make], Make]:
    """Add the function to what the load does."""

    def add(make: Make) -> Make:
        MAKERS.append(Maker(name=name, per_minute=per_minute, make=make))
        return make

    return add


@makes("orders", per_minute=40)
def order(dice: Random, _page: str) -> None:
    """Buy a thing or two; one buyer of eight presses the button twice."""
    Product.objects.filter(stock__lt=100).update(stock=F("stock") + 1000)
    products = list(Product.objects.values_list("pk", flat=True))
    if not products:
        return
    quantities = {product: dice.randint(1, 3) for product in dice.choices(products, k=2)}
    key, email = uuid4().hex, f"buyer{dice.randrange(1000)}@example.com"
    for _ in range(2 if dice.random() < 1 / 8 else 1):
        checkout.place(quantities, email=email, key=key)


@makes("refunds", per_minute=4)
def refund(dice: Random, _page: str) -> None:
    """Give one of the latest orders back."""
    confirmed = Order.objects.filter(state=Order.State.CONFIRMED)
    numbers = list(confirmed.order_by("-id").values_list("pk", flat=True)[:LATELY])
    if numbers:
        try:
            steps.ask_for_refund(dice.choice(numbers))
        except steps.NotRefundableError:
            return  # Somebody else was faster.


@makes("new leads", per_minute=40)
def add_lead(_dice: Random, _page: str) -> None:
    """Leave a phone number; who stays in `new` for a minute gets an SMS."""
    FollowupRule.objects.get_or_create(
        status=Status.NEW, delay=1, defaults={"text": "Still there? Your table waits."}
    )
    last = Lead.objects.aggregate(last=Max("pk"))["last"] or 0
    try:
        services.add_lead(f"+4915{last + 1:09d}")
    except services.PhoneTakenError:
        return


@makes("moves of leads", per_minute=40)
def move_lead(dice: Random, _page: str) -> None:
    """Let a lead go on."""
    leads = list(Lead.objects.order_by("-id").values_list("pk", flat=True)[:LATELY])
    others = [status for status in Status if status != Status.NEW]
    if leads:
        try:
            services.move(dice.choice(leads), status=dice.choice(others))
        except services.SameStatusError:
            return


@makes("sign-ups", per_minute=15)
def ask_for_account(_dice: Random, page: str) -> None:
    """Sign up with a new address."""
    last = Mail.objects.aggregate(last=Max("pk"))["last"] or 0
    sign_up(f"player{last + 1}.{uuid4().hex[:8]}@example.com", site=page)


@makes("simulations", per_minute=6)
def simulate(dice: Random, _page: str) -> None:
    """Play the same few games again and again: each must end with the same answer every time."""
    lifecycle.start(_setup(), rounds=ROUNDS, seed=dice.randint(1, SEEDS), name=NAME)
    ended = Simulation.objects.filter(name=NAME, state__in=Simulation.OVER)
    old = ended.order_by("-created_at").values_list("pk", flat=True)[MOST_SIMULATIONS:][:LATELY]
    Simulation.objects.filter(pk__in=list(old)).delete()


@makes("imports", per_minute=1)
def import_contacts(dice: Random, _page: str) -> None:
    """Hand in a file of some thousand contacts; a few rows of it are wrong."""
    rows = [f"{place}.{dice.randrange(10**9)}@example.com,Player {place}" for place in range(ROWS)]
    for place in dice.sample(range(ROWS), WRONG_ROWS):
        rows[place] = f"nobody,Player {place}"
    content = "\n".join(["email,name", *rows]).encode()
    begin(SimpleUploadedFile(FILE, content, content_type="text/csv"))
    ended = Import.objects.filter(name=FILE, state=Import.State.DONE)
    for source in ended.order_by("-pk")[MOST_FILES : MOST_FILES + LATELY]:
        source.file.delete(save=False)
        source.delete()


@makes("reports", per_minute=2)
def report(dice: Random, _page: str) -> None:
    """Ask what was sold in the last months."""
    today = timezone.localdate()
    making.ask(period(since=today - timedelta(days=dice.randint(30, 300)), until=today))


@cache
def _setup() -> Setup:
    return Setup.from_dict(PRESETS["plain-6d"].rules.to_dict())
