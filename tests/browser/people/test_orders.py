"""Somebody buys: pays once, is declined, wants the money back, presses twice, waits for an order that is stuck."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from jost.orders.healing import STUCK_AFTER
from tests.browser.browsing import NARROW, Browse, go
from tests.browser.served import JostGround

ORDERS = "from jost.orders.models import Order"


def choose(page: Page, *, quantity: int = 2, email: str = "ada@example.com") -> None:
    page.get_by_label("Tea").fill(str(quantity))
    page.get_by_label("Mail address").fill(email)


def order(page: Page, **what: object) -> str:
    """Order tea; return the number of the order, whose page is open then."""
    choose(page, **what)  # type: ignore[arg-type]
    page.get_by_role("button", name="Order and pay").click()
    return number_of(page)


def number_of(page: Page) -> str:
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(re.compile(r"Order \d+"))
    return heading.inner_text().removeprefix("Order ")


def is_now(page: Page, state: str) -> None:
    expect(page.locator(".title .badge")).to_have_text(state)


def test_order_is_paid_and_its_receipt_sent_while_somebody_looks(
    browse: Browse, ground: JostGround
) -> None:
    ground.outside.tell("charges", delay_seconds=1)
    page = browse("orders/")
    number = order(page)

    expect(page.locator(".steps .now")).to_be_visible()
    is_now(page, "confirmed")
    expect(page.get_by_text("Receipt").locator("..")).to_contain_text("sent 2")
    expect(page.locator(".steps .done")).to_have_count(4)
    expect(page.get_by_role("table").first).to_contain_text("charged")
    (charge,) = ground.outside.effects("charges", key=f"charge:{number}")
    assert charge["content"]["amount"] == "9.00"
    assert len(ground.outside.effects("mail", key=f"receipt:{number}")) == 1


def test_declined_card_fails_the_order_and_says_why(browse: Browse, ground: JostGround) -> None:
    ground.outside.tell("charges", declines=1)
    page = browse("orders/")
    number = order(page)

    is_now(page, "failed")
    expect(page.locator(".notice.bad:visible")).to_contain_text("declined")
    expect(page.get_by_role("button", name="Give the money back")).to_have_count(0)
    go(page, "orders/?state=failed")
    expect(page.locator(f"#order-{number}")).to_contain_text("declined")


def test_money_is_given_back_once(browse: Browse, ground: JostGround) -> None:
    page = browse("orders/")
    number = order(page)
    is_now(page, "confirmed")

    page.get_by_role("button", name="Give the money back").dblclick()

    is_now(page, "refunded")
    expect(page.locator(".steps")).to_contain_text("money given back")
    assert len(ground.outside.effects("refunds", key=f"refund:{number}")) == 1


def test_button_that_is_pressed_twice_orders_once(browse: Browse, ground: JostGround) -> None:
    page = browse("orders/")
    choose(page, email="impatient@example.com")

    page.get_by_role("button", name="Order and pay").dblclick()

    number = number_of(page)
    is_now(page, "confirmed")
    placed = "Order.objects.filter(email='impatient@example.com').count()"
    assert ground.site.ask(placed, imports=ORDERS) == 1
    assert len(ground.outside.effects("charges", key=f"charge:{number}")) == 1


def test_who_goes_back_and_orders_again_has_two_orders(browse: Browse) -> None:
    page = browse("orders/")
    first = order(page, quantity=1)
    page.go_back()

    second = order(page, quantity=3)

    assert first != second
    is_now(page, "confirmed")


def test_stuck_order_says_so_and_is_seen_to_be_healed(browse: Browse, ground: JostGround) -> None:
    ago = STUCK_AFTER + timedelta(minutes=5)
    made = (
        "(lambda order: [order.items.create(product=Product.objects.get(name='Tea'), quantity=1,"
        " price='4.50'), Payment.objects.create(order=order, amount='4.50')] and order.pk)"
        "(Order.objects.create(key='0:stuck', email='ada@example.com', total='4.50',"
        f" moved_at=timezone.now() - timedelta(seconds={ago.total_seconds()})))"
    )
    number = ground.site.ask(
        made,
        imports=(
            "from datetime import timedelta; from django.utils import timezone;"
            "from jost.orders.models import Order, Payment, Product"
        ),
    )
    page = browse(f"orders/{number}/")
    expect(page.get_by_role("main")).to_contain_text("this one is sent on by itself")

    ground.site.ask("heal_stuck.delay().id", imports="from jost.orders.tasks import heal_stuck")

    is_now(page, "confirmed")
    expect(page.get_by_role("main")).not_to_contain_text("sent on by itself")
    expect(page.get_by_role("table").first).to_contain_text("Nobody went on with it")


def test_list_follows_an_order_under_way(browse: Browse, ground: JostGround) -> None:
    ground.outside.tell("charges", delay_seconds=3)
    page = browse("orders/")
    number = order(page)
    page.get_by_role("link", name="Orders").last.click()
    row = page.locator(f"#order-{number}")
    expect(row).to_contain_text(re.compile("placed|reserved"))
    row.focus()

    expect(row).to_contain_text("confirmed")

    expect(row).to_be_focused()


def test_page_says_when_nobody_answers_and_takes_it_back(
    browse: Browse, ground: JostGround
) -> None:
    browse.expect("ERR_FAILED|htmx:")
    ground.outside.tell("charges", delay_seconds=4)
    page = browse("orders/")
    order(page)
    page.route("**/orders/*/?seen=*", lambda route: route.abort())
    stale = page.get_by_text("JOST does not answer")
    expect(stale).to_be_visible()

    page.unroute("**/orders/*/?seen=*")

    expect(stale).to_be_hidden()
    is_now(page, "confirmed")


def test_order_without_scripts_is_placed_and_followed(browse: Browse) -> None:
    page = browse("orders/", scripts=False, width=NARROW)
    order(page)

    is_now(page, "confirmed")


def test_order_is_placed_by_keys_alone(browse: Browse) -> None:
    page = browse("orders/")
    page.get_by_label("Tea").focus()

    page.keyboard.press("ArrowUp")
    page.get_by_label("Mail address").focus()
    page.keyboard.type("ada@example.com")
    page.keyboard.press("Enter")

    number_of(page)


@pytest.mark.parametrize("quantity", [0, 1001])
def test_order_that_cannot_be_is_told_what_to_do(browse: Browse, quantity: int) -> None:
    browse.expect("422")
    page = browse("orders/", width=NARROW)
    page.evaluate(
        "() => document.querySelectorAll('form').forEach((each) => each.noValidate = true)"
    )
    choose(page, quantity=quantity)
    page.get_by_role("button", name="Order and pay").click()

    told = "Choose something" if quantity == 0 else "At most 1000"
    expect(page.get_by_role("alert").filter(has_text=told)).to_be_visible()
    expect(page.get_by_label("Mail address")).to_have_value("ada@example.com")


def test_who_is_signed_out_meanwhile_is_sent_to_the_sign_in_as_a_page(
    browse: Browse, ground: JostGround
) -> None:
    ground.outside.tell("charges", delay_seconds=4)
    page = browse("orders/")
    number = order(page)
    # As the answer is where everybody has to sign in.
    page.route(
        f"**/orders/{number}/**",
        lambda route: route.fulfill(status=302, headers={"Location": "/login/"}),
    )

    expect(page).to_have_url(re.compile("/login/$"))

    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_role("navigation", name="Main")).to_have_count(1)
