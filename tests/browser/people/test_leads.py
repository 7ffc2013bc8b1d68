"""Somebody in sales: takes numbers, moves leads, says who is written to, and sees what went out."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import NARROW, Browse, go
from tests.browser.served import JostGround

COLLECT = "from jost.leads.tasks import collect_followups"


def add(page: Page, phone: str) -> None:
    page.get_by_label("Phone", exact=True).fill(phone)
    page.get_by_role("button", name="Add", exact=True).click()


def move(page: Page, status: str) -> None:
    page.get_by_role("button", name=status, exact=True).click()
    expect(page.locator(".title .badge")).to_have_text(status)


def test_lead_is_taken_moved_and_told_to_the_crm(browse: Browse, ground: JostGround) -> None:
    ground.outside.tell("crm", delay_seconds=1)
    browse.expect("422")
    page = browse("leads/")
    add(page, "call me")
    expect(page.get_by_role("alert").filter(has_text="a plus, the country")).to_be_visible()
    add(page, "+49 (0)30 000001")
    expect(page.get_by_role("heading", level=1)).to_have_text("+4930000001")
    move(page, "submitted")

    history = page.get_by_role("table").first
    expect(history).to_contain_text("to be told")
    expect(history).not_to_contain_text("to be told")
    expect(history.get_by_role("rowheader")).to_have_text(["submitted", "new"])
    told = [each["content"] for each in ground.outside.effects("crm")]
    assert [each["status"] for each in told if each["lead"] == "+4930000001"] == [
        "new",
        "submitted",
    ]


def test_number_that_is_known_is_told_beside_the_field(browse: Browse) -> None:
    browse.expect("422")
    page = browse("leads/")
    add(page, "+319999999999999")

    expect(page.get_by_role("alert").filter(has_text="already")).to_be_visible()
    # The list is still there, and what is asked of it is, too.
    page.get_by_label("Status").select_option("verified")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("link", name="+319999999999999")).to_be_visible()


def test_rule_is_made_its_message_falls_due_and_goes_out(
    browse: Browse, ground: JostGround
) -> None:
    page = browse("leads/rules/")
    page.get_by_label("Who stays").select_option("paid")
    page.get_by_label("For so many minutes").fill("0")
    page.get_by_label("Is written").fill("Thank you!")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    go(page, "leads/")
    add(page, "+4930000002")
    move(page, "paid")
    messages = page.get_by_role("region", name="Messages")
    expect(messages).to_contain_text("due")

    ground.site.ask("collect_followups.delay().id", imports=COLLECT)

    expect(messages).to_contain_text("sent")
    expect(messages).not_to_contain_text("due")
    sent = [each["content"] for each in ground.outside.effects("sms")]
    assert [each["text"] for each in sent if each["to"] == "+4930000002"] == ["Thank you!"]


def test_rule_is_changed_and_switched_off(browse: Browse) -> None:
    page = browse("leads/rules/", width=NARROW)
    page.get_by_label("Who stays").select_option("lost")
    page.get_by_label("For so many minutes").fill("90")
    page.get_by_label("Is written").fill("Come back")
    page.get_by_role("button", name="Add", exact=True).click()

    page.get_by_role("link", name="Change lost for 90 min").click()
    page.get_by_label("Is written").fill("Please come back")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Switch off lost for 90 min").click()

    row = page.get_by_role("listitem").filter(has_text="Please come back")
    expect(row).to_contain_text("switched off, 0 sent")
    expect(row.get_by_role("button", name="Switch on lost for 90 min")).to_be_visible()


def test_who_is_slower_is_told_that_the_lead_has_moved(browse: Browse) -> None:
    page = browse("leads/")
    add(page, "+4930000003")
    move(page, "verified")
    other = browse(page.url.removeprefix(browse.web.root))
    move(page, "lost")
    # What the other one saw is gone before the other page has asked again.
    other.evaluate("() => document.querySelector('[hx-get]')?.removeAttribute('hx-get')")

    other.evaluate("() => { document.querySelector('#to-new').value = 'lost'; }")
    other.get_by_role("button", name="new", exact=True).click()

    expect(other.get_by_role("status").filter(has_text="lost already")).to_be_visible()


def test_hundreds_are_paged_and_a_filter_goes_along(browse: Browse) -> None:
    page = browse("leads/")
    page.get_by_label("Status").select_option("lost")
    page.get_by_label("Phone begins with").fill("310")
    page.get_by_role("button", name="Show").click()
    pager = page.get_by_role("navigation", name="Pages")
    expect(pager).to_contain_text("of 120")

    pager.get_by_role("link", name="Next").click()
    pager.get_by_role("link", name="Next").click()

    expect(pager).to_contain_text("101\u2013120 of 120")
    expect(page.get_by_label("Status")).to_have_value("lost")
    expect(page.get_by_role("table").get_by_role("rowheader")).to_have_count(20)


@pytest.mark.parametrize("scripts", [True, False])
def test_filter_that_finds_nobody_leads_back(browse: Browse, *, scripts: bool) -> None:
    page = browse("leads/?status=paid&phone=999", scripts=scripts)

    expect(page.get_by_text("No lead here is paid and begins with 999")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_role("table")).to_be_visible()


def test_lead_without_scripts_is_taken_and_moved(browse: Browse) -> None:
    page = browse("leads/", scripts=False, width=NARROW)
    add(page, "+4930000004")
    move(page, "submitted")

    # The page loads itself anew until all is told.
    expect(page.get_by_role("table").first).not_to_contain_text("to be told")
