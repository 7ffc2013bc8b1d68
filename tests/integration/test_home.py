"""The start page: all apps, with what they are at for whoever may see it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import get_template
from django.test import Client

from jost.orders.models import Order

pytestmark = pytest.mark.django_db
APPS = ("orders", "leads", "accounts", "imports", "reports", "simulations")


def order(owner: User) -> Order:
    return Order.objects.create(key="0:k", email="ada@example.com", total=Decimal(1), owner=owner)


def test_start_page_leads_to_each_app_and_tells_what_is_under_way(client: Client) -> None:
    order(User.objects.create_user("ada"))

    page = client.get("/").content.decode()

    assert all(f'href="/{app}/"' in page for app in APPS)
    assert "1 under way" in page
    assert "no mail on the way" in page


def test_figures_of_the_start_page_are_for_whoever_may_see_what_they_count(
    client: Client, settings: Any
) -> None:
    settings.JOST_LOGIN = True
    ada, bob = (User.objects.create_user(name) for name in ("ada", "bob"))
    order(ada)

    assert b"under way" not in client.get("/").content
    client.force_login(bob)
    assert b"1 under way" not in client.get("/").content
    client.force_login(ada)
    assert b"1 under way" in client.get("/").content


@pytest.mark.parametrize("demo", [True, False])
def test_start_page_offers_the_demo_where_there_is_one(
    client: Client, settings: Any, *, demo: bool
) -> None:
    settings.JOST_DEMO = demo

    page = client.get("/").content.decode()

    assert ("Break it" in page) is demo
    assert ("make demo" in page) is not demo


def test_form_without_its_token_is_told_what_to_do() -> None:
    answer = Client(enforce_csrf_checks=True).post("/orders/", {})

    assert answer.status_code == 403
    assert b"load the page again" in answer.content


@pytest.mark.parametrize("name", ["403.html", "500.html"])
def test_page_of_an_error_needs_nothing_that_may_be_broken(name: str) -> None:
    assert 'href="/"' in get_template(name).render()
