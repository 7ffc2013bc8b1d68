"""Somebody signs up, reads the mail, is in, gets a token, goes and comes back; with scripts and without."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import NARROW, Browse
from tests.browser.served import JostGround
from tests.eventually import eventually

PASSWORD = "pays by the ounce"


def link_to(address: str, *, ground: JostGround) -> str:
    """Wait for the mail in the record of the gateway; return its link."""

    def texts() -> list[str]:
        mails = (each["content"] for each in ground.outside.effects("mail"))
        return [each["text"] for each in mails if address in str(each["to"])]

    (text,) = eventually(texts, told=f"a mail to {address}")
    found = re.search(r"http://\S+", text)
    assert found
    return found.group()


def sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name or mail address").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("scripts", [True, False])
def test_somebody_signs_up_and_is_in(browse: Browse, ground: JostGround, *, scripts: bool) -> None:
    browse.expect("422|410")
    address = f"ada-{scripts}@example.com".lower()
    page = browse("login/", scripts=scripts, width=NARROW)
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Mail address").fill(address)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look at your mails")
    link = link_to(address, ground=ground)

    page.goto(link)
    page.get_by_label("Password", exact=True).fill("12345678")
    page.get_by_role("button", name="Activate my account").click()
    expect(page.get_by_role("alert").filter(has_text="entirely numeric")).to_be_visible()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Activate my account").click()
    expect(page.get_by_role("status").filter(has_text="Your account is active")).to_be_visible()
    page.get_by_label("First name").fill("Ada")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("First name")).to_have_value("Ada")

    page.get_by_role("button", name="Make a token").click()
    token = page.locator(".programs code").first.inner_text()
    told = page.request.get(
        f"{ground.web.root}api/accounts/me/", headers={"Authorization": f"Token {token}"}
    )
    assert told.json()["first_name"] == "Ada"

    page.get_by_role("button", name="Sign out").click()
    page.goto(link)
    expect(page.get_by_role("alert").filter(has_text="used already")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    sign_in(page, address, "guessed")
    expect(page.get_by_role("alert").filter(has_text="correct")).to_be_visible()
    sign_in(page, address, PASSWORD)
    page.get_by_role("link", name="Profile").click()
    expect(page.get_by_role("main")).to_contain_text(address)
    expect(page.get_by_role("main")).to_contain_text("You have one since")
    expect(page.get_by_role("main")).not_to_contain_text(token)
