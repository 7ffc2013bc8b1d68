"""Every page of orders, leads and accounts, wide and narrow, light and dark: nothing is wrong with any of them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.browsing import NARROW, Browse, excess_width, go, violations
from tests.browser.people.seed import PASSWORD
from tests.browser.served import JostGround
from tests.browser.test_pages import faults

# Entries of the header that are drawn over each other.
OVERLAPS = """() => {
  const found = [];
  const boxes = [...document.querySelectorAll("header a, header button")].map((each) => {
    const range = document.createRange();
    range.selectNodeContents(each);
    return [each.innerText, range.getBoundingClientRect()];
  });
  for (const [name, a] of boxes)
    for (const [other, b] of boxes)
      if (a !== b && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
        found.push([name, other]);
  return found;
}"""


@pytest.mark.parametrize(
    "address",
    [
        "",
        "orders/",
        "orders/?page=2",
        "orders/?state=charged",
        "orders/{confirmed}/",
        "orders/{refunded}/",
        "orders/{failed}/",
        "leads/",
        "leads/?status=lost&page=2",
        "leads/?phone=1",
        "leads/{lead}/",
        "leads/rules/",
        "leads/rules/{rule}/",
        "accounts/sign-up/",
        "accounts/asked/",
        "login/",
    ],
)
def test_page_is_accessible_fits_and_complains_of_nothing(
    browse: Browse, ground: JostGround, address: str
) -> None:
    assert faults(browse(address.format(**ground.made))) == []


@pytest.mark.parametrize("address", ["accounts/activate/nothing/", "orders/99999/"])
def test_page_of_what_is_not_there_is_accessible_and_leads_on(browse: Browse, address: str) -> None:
    browse.expect("404|410")
    page = browse(address)

    assert faults(page) == []
    expect(page.get_by_role("main").get_by_role("link")).not_to_have_count(0)


def test_pages_of_who_is_signed_in_are_accessible(browse: Browse) -> None:
    page = browse("login/?next=/accounts/")
    page.get_by_label("Name or mail address").fill("grace")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Profile")
    page.get_by_role("button", name="Make a token").click()
    expect(page.get_by_role("status")).to_contain_text("shown this once")

    assert faults(page) == []
    go(page, "orders/")
    assert faults(page) == []
    # In the demo there is one entry more.
    page.evaluate(
        "() => { const nav = document.querySelector('nav'); nav.append(nav.lastElementChild.cloneNode(true)); }"
    )
    for width in (320, 361, 390, 600, 779, 781, 900, 1079, 1081, 1300):
        page.set_viewport_size({"width": width, "height": 400})
        assert excess_width(page) == 0, width
        assert page.evaluate(OVERLAPS) == [], width


@pytest.mark.parametrize(
    ("address", "button"),
    [
        ("orders/", "Order and pay"),
        ("leads/", "Add"),
        ("leads/rules/", "Add"),
        ("accounts/sign-up/", "Send me a link"),
        ("login/", "Sign in"),
    ],
)
def test_form_that_is_refused_says_so_at_the_field(
    browse: Browse, address: str, button: str
) -> None:
    browse.expect("422")
    page = browse(address, width=NARROW)
    # As a browser does that checks nothing by itself.
    page.evaluate(
        "() => document.querySelectorAll('form').forEach((each) => each.noValidate = true)"
    )
    page.get_by_role("button", name=button, exact=True).click()

    field = page.locator("[aria-invalid=true]").first
    expect(field).to_be_visible()
    told = page.locator(f"#{(field.get_attribute('aria-describedby') or '').split()[-1]}")
    expect(told).to_contain_text("required")
    assert violations(page) == []
    assert excess_width(page) == 0


def test_first_key_leads_past_the_navigation(browse: Browse) -> None:
    page = browse("orders/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    expect(page.get_by_role("main").locator(":focus")).to_have_count(1)


def test_start_page_follows_what_is_under_way(browse: Browse, ground: JostGround) -> None:
    page = browse()
    figure = page.locator("#now-orders")
    expect(figure).to_have_text("none under way")
    ground.outside.tell("charges", delay_seconds=5)
    other = browse("orders/")
    other.get_by_label("Tea").fill("1")
    other.get_by_label("Mail address").fill("ada@example.com")
    other.get_by_role("button", name="Order and pay").click()

    expect(figure).to_have_text("1 under way")
    ground.outside.tell("charges", delay_seconds=0)
    expect(figure).to_have_text("none under way")
