"""Tasks with `typed_arguments`, from the call to the body and back, on both databases and in both pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from celery import chain, chord, group
from django.db import transaction

import holdfast
from holdfast.exceptions import InvalidArguments
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.shop import tasks
from tests.shop.orders import Line, Order, Speed, TenantOrder

SHOP = {"TEST_EXTRA_APPS": "tests.shop"}
ORDER = Order(orderNumber=7, speed=Speed.FAST)
BAD = {"orderNumber": 7, "speed": "never"}


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request, environment=SHOP) as site:
        yield site


SENDINGS: dict[str, Callable[[Any], Any]] = {
    "delay": lambda order: tasks.ship.delay(order),  # noqa: PLW0108  # of the app of the moment
    "apply_async": lambda order: tasks.ship.apply_async(kwargs={"order": order}),
    "apply_many": lambda order: tasks.ship.apply_many([(ORDER,), {"order": order}]),
    "signatures": lambda order: holdfast.apply_many([tasks.ship.s(order)]),
    "si": lambda order: tasks.ship.si(order).delay(),
    "group": lambda order: group([tasks.ship.s(ORDER), tasks.ship.s(order)]).delay(),
    "chord": lambda order: chord([tasks.ship.s(order)], tasks.number.s()).delay(),
    "retry": lambda order: tasks.ship_again.delay(order),  # noqa: PLW0108  # of the app of the moment
    "plain Celery": lambda order: tasks.ship_plain.delay(order),  # noqa: PLW0108  # of the app of the moment
}


@pytest.mark.parametrize("sending", SENDINGS)
def test_call_that_does_not_fit_is_refused_in_the_caller_and_records_nothing(
    site: Site, sending: str
) -> None:
    with pytest.raises(InvalidArguments, match=r"'order' got a dict, which does not fit .*speed: "):
        SENDINGS[sending](BAD)
    assert site.jobs() == {}


def test_refusal_leaves_the_callers_transaction_standing(site: Site) -> None:
    with transaction.atomic(using=site.alias):
        with pytest.raises(InvalidArguments):
            tasks.ship.delay(BAD)
        tasks.ship.delay(ORDER)
    assert site.counts() == {"queued": 1}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.short_on("sqlite-threads", "postgres-prefork")
def test_body_gets_what_its_annotations_say_however_it_was_sent(site: Site, pool: str) -> None:
    site.worker(pool=pool)
    for send in SENDINGS.values():
        send(ORDER)
    tasks.ship.delay(ORDER, date(2026, 11, 21), lines=[Line(article="a", quantity=1)])
    chain(tasks.number.s({"orderNumber": 8}), tasks.ship.s(date(2026, 1, 1))).delay()
    last = tasks.ship_for.delay(TenantOrder.model_construct(number=9))

    assert set(site.wait_all_final().values()) == {"succeeded"}

    assert last.get(timeout=60) == {"number": 9}
    effects = site.effect_counts()
    assert effects["ship Order 7 Speed.FAST None None"] == 9
    assert effects["ship Order 8 Speed.SLOW datetime.date(2026, 1, 1) None"] == 1
    assert effects["ship Order 7 Speed.FAST datetime.date(2026, 11, 21) [Line(article='a', quantity=1, "
                   "price=Decimal('9.99'))]"] == 1  # fmt: skip
    assert (effects["attempt Order 7 0"], effects["attempt Order 7 1"]) == (1, 1)
    assert effects["for TenantOrder 9"] == 1
    eventually(lambda: site.effect_counts()["plain Order 7"] == 1, told="plain Celery ran it")


def test_job_that_does_not_fit_any_more_fails_with_the_parameter(site: Site) -> None:
    sent = site.app.send_task("tests.shop.tasks.ship", [BAD])  # by name: nobody checks it
    site.worker(concurrency=1)
    with pytest.raises(InvalidArguments, match="its parameter 'order' got a dict"):
        sent.get(timeout=60)
    assert site.states()[sent.id] == "failed"
    assert site.effects() == []


def test_eager_call_is_checked_and_converted_too(site: Site) -> None:
    site.app.conf.task_always_eager = True
    assert tasks.ship.delay(ORDER).get() == "shipped 7"
    with pytest.raises(InvalidArguments):
        tasks.ship.delay(BAD)


@pytest.mark.slow
@pytest.mark.short_on("postgres")
def test_killed_worker_gives_its_typed_job_to_another_one(site: Site) -> None:
    first = site.worker(concurrency=1)
    sent = tasks.ship_slowly.delay(ORDER, str(site.directory / "gate"))
    eventually(lambda: site.effect_counts()["slowly Order 7"] == 1, told="it runs")
    first.kill()
    (site.directory / "gate").touch()
    site.worker(concurrency=1)
    assert sent.get(timeout=60) == "shipped 7"
    assert site.effect_counts()["slowly Order 7"] == 2
