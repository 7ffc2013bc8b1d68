"""A rule of alerts, from its choice to its removal, as an administrator does it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.browsing import Browse, violations
from tests.browser.names import UNSERVED


def test_rule_is_tried_added_changed_and_removed(browse: Browse) -> None:
    page = browse("alerts/", role="administer")
    page.get_by_role("link", name="New rule").click()
    page.get_by_role("link", name="Oldest job").click()
    page.get_by_label("Name").fill("tonight")
    page.get_by_label("Queue").fill(UNSERVED)
    page.get_by_label("More than so many seconds").fill("0.001")
    page.get_by_role("group", name="Tells").get_by_label("till").check()
    page.get_by_role("button", name="What would it say now?").click()
    main = page.get_by_role("main")
    expect(main).to_contain_text(f"Queue {UNSERVED}: 3 jobs wait")
    expect(main).to_contain_text("Tells: till. Nobody was told of this look.")
    assert violations(page) == []
    page.get_by_role("button", name="Add the rule").click()
    expect(page.locator("#told")).to_contain_text("Rule tonight is added.")
    row = page.locator("table.rules tr", has_text="tonight")
    row.get_by_role("link", name="Change").click()
    expect(page.get_by_role("group", name="Tells").get_by_label("till")).to_be_checked()
    page.get_by_label("More than so many seconds").fill("86400")
    page.get_by_role("button", name="What would it say now?").click()
    expect(main).to_contain_text("it finds nothing that is wrong")
    page.get_by_role("button", name="Change the rule").click()
    expect(page.locator("#told")).to_contain_text("Rule tonight is changed.")
    expect(row).to_contain_text("above 86400 s")
    row.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("#told")).to_contain_text("Rule tonight is removed.")
    expect(row).to_have_count(0)
