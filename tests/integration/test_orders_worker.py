"""Orders on real workers and gateways that misbehave: each is charged once, whatever is killed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.eventually import eventually
from tests.jost_site import JostSite, jost_and_gateways
from tests.outside import Outside

pytestmark = pytest.mark.slow

IMPORTS = (
    "from decimal import Decimal; from jost.orders import checkout, steps, tasks;"
    "from jost.orders.models import Order, Product"
)
TEA = "Product.objects.create(name='Tea', price=Decimal('4.50'), stock=1000).pk"
STATES = "sorted(set(Order.objects.values_list('state', flat=True)))"


@contextmanager
def shop(directory: Path, redis: Path, database_url: str) -> Iterator[tuple[JostSite, Outside]]:
    with jost_and_gateways(directory, redis=redis, database_url=database_url) as (site, outside):
        site.ask(TEA, imports=IMPORTS)
        yield site, outside


def place(site: JostSite, *, keys: list[str]) -> list[int]:
    order = "checkout.place({Product.objects.get().pk: 1}, email='ada@example.com', key=key).pk"
    numbers: list[int] = site.ask(f"[{order} for key in {keys!r}]", imports=IMPORTS)
    return numbers


def all_are(site: JostSite, state: str) -> None:
    """Wait for that; each look is a process of its own, so a cheaper sign is awaited before."""
    eventually(
        lambda: site.ask(STATES, imports=IMPORTS) == [state], told=f"all are {state}", every=1
    )


def receipts(outside: Outside, number: int) -> None:
    eventually(lambda: outside.totals("mail")["effects"] >= number, told=f"{number} receipts")


@pytest.mark.short_on("postgres")
def test_worker_killed_between_charge_and_commit_charges_once(
    database_url: str, private_directory: Path, tmp_path: Path
) -> None:
    with shop(tmp_path, private_directory, database_url) as (site, outside):
        # The charge is in the record, and its answer does not come before the kill.
        outside.tell("charges", answer_seconds=30)
        victim = site.worker()
        (number,) = place(site, keys=["one"])
        eventually(lambda: outside.totals("charges")["effects"] == 1, told="charged")
        victim.kill()
        outside.tell("charges", answer_seconds=0)

        site.worker()
        receipts(outside, 1)
        all_are(site, "confirmed")

        assert len(outside.effects("charges", key=f"charge:{number}")) == 1
        assert outside.totals("mail")["effects"] == 1


@pytest.mark.short_on("sqlite")
def test_many_orders_are_charged_once_each_by_a_gateway_that_honours_no_keys(
    database_url: str, private_directory: Path, tmp_path: Path
) -> None:
    with shop(tmp_path, private_directory, database_url) as (site, outside):
        # Nobody but us sees to it that an order is charged once.
        outside.tell("charges", honours_keys=False, loses_answer=0.2, too_many=0.1, retry_after=1)
        first = site.worker()
        site.worker()
        # Every order is sent twice at once, as by an impatient finger.
        with ThreadPoolExecutor(2) as twice:
            numbers = list(
                twice.map(lambda _: place(site, keys=[f"k{n}" for n in range(12)]), "ab")
            )
        assert numbers[0] == numbers[1]
        eventually(lambda: outside.totals("charges")["effects"] >= 4, told="some are charged")

        first.kill()

        receipts(outside, 12)
        all_are(site, "confirmed")
        totals = outside.totals("charges")
        assert (totals["effects"], totals["keys"], totals["twice"]) == (12, 12, 0)
        assert totals["lost"] > 0
        assert site.ask("Product.objects.get().stock", imports=IMPORTS) == 988


def test_gateway_that_answers_too_late_has_charged_once(
    private_directory: Path, tmp_path: Path
) -> None:
    with shop(tmp_path, private_directory, "") as (site, outside):
        site.environment["JOST_GATEWAY_SECONDS"] = "1"
        outside.tell("charges", delay_seconds=2)
        site.worker()
        (number,) = place(site, keys=["late"])
        eventually(lambda: outside.totals("charges")["effects"] == 1, told="charged, too late")
        outside.tell("charges", delay_seconds=0)

        receipts(outside, 1)
        all_are(site, "confirmed")
        site.ask(f"steps.ask_for_refund({number})", imports=IMPORTS)
        eventually(lambda: outside.totals("refunds")["effects"] == 1, told="refunded")
        all_are(site, "refunded")

        assert len(outside.effects("charges")) == len(outside.effects("refunds")) == 1


@pytest.mark.short_on("postgres")
def test_refund_whose_gateway_or_worker_dies_before_the_answer_is_made_once(
    database_url: str, private_directory: Path, tmp_path: Path
) -> None:
    with shop(tmp_path, private_directory, database_url) as (site, outside):
        victim = site.worker()
        numbers = place(site, keys=["one", "two"])
        receipts(outside, 2)
        # A refund is in the record, its answer does not come, and nobody but us sees to it that it is one.
        outside.tell("refunds", answer_seconds=30, honours_keys=False)
        refund = "[steps.ask_for_refund({0}) for _ in range(2)]"
        site.ask(refund.format(numbers[0]), imports=IMPORTS)
        eventually(lambda: outside.totals("refunds")["effects"] == 1, told="one refunded")
        outside.kill()
        outside.start()
        outside.tell("refunds", answer_seconds=30, honours_keys=False)
        site.ask(refund.format(numbers[1]), imports=IMPORTS)
        eventually(lambda: outside.totals("refunds")["effects"] == 2, told="the other refunded")

        victim.kill()
        outside.tell("refunds", answer_seconds=0)
        site.worker()
        all_are(site, "refunded")

        keys = sorted(effect["key"] for effect in outside.effects("refunds"))
        assert keys == [f"refund:{number}" for number in numbers]
        assert site.ask("Product.objects.get().stock", imports=IMPORTS) == 1000


@pytest.mark.short_on("postgres")
def test_last_ones_are_sold_once_each_to_whoever_of_many_comes_first(
    database_url: str, private_directory: Path, tmp_path: Path
) -> None:
    with shop(tmp_path, private_directory, database_url) as (site, outside):
        site.ask("Product.objects.update(stock=3)", imports=IMPORTS)
        place(site, keys=[f"k{n}" for n in range(12)])
        site.worker(concurrency=12)
        receipts(outside, 3)

        told = (
            "[sorted(Order.objects.values_list('state', flat=True)), Product.objects.get().stock]"
        )
        eventually(
            lambda: site.ask(told, imports=IMPORTS) == [["confirmed"] * 3 + ["failed"] * 9, 0],
            told="three are sold and nine are not",
            every=0.5,
        )
        assert outside.totals("charges")["effects"] == 3


@pytest.mark.short_on("postgres")
def test_parallel_requests_with_one_key_place_one_order(
    database_url: str, private_directory: Path, tmp_path: Path
) -> None:
    with shop(tmp_path, private_directory, database_url) as (site, outside):
        web = site.web()
        (tea,) = requests.get(f"{web}/api/orders/products/", timeout=20).json()["results"]
        said = {"Idempotency-Key": "an impatient finger", "X-Request-ID": "order-of-ada"}

        def order(_: int) -> requests.Response:
            items = [{"product": tea["id"], "quantity": 2}]
            body = {"email": "ada@example.com", "items": items}
            return requests.post(f"{web}/api/orders/", json=body, headers=said, timeout=60)

        with ThreadPoolExecutor(8) as fingers:
            answers = list(fingers.map(order, range(8)))

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        site.worker()
        receipts(outside, 1)
        all_are(site, "confirmed")
        (charge,), (receipt,) = outside.effects("charges"), outside.effects("mail")
        assert charge["content"]["amount"] == "9.00"
        assert {charge["request"], receipt["request"]} == {"order-of-ada"}
