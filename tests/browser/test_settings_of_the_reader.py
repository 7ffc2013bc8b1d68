"""The theme, the time zone, a small screen, and no scripts at all."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from holdfast.console.chrome import NAVIGATION
from tests.browser import tasks
from tests.browser.browsing import NARROW, WIDE, Browse, excess_width, press, violations
from tests.browser.ground import Ground


def background(page: Page) -> str:
    return str(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))


def test_theme_that_is_chosen_stays(browse: Browse) -> None:
    page = browse(theme="light")
    light = background(page)
    switch = page.get_by_role("button", name=re.compile("Theme"))
    expect(switch).to_have_text("Theme: system")
    switch.click()
    expect(switch).to_have_text("Theme: light")
    switch.click()
    expect(switch).to_have_text("Theme: dark")
    dark = background(page)
    assert dark != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert background(page) == dark
    assert violations(page, "color-contrast") == []
    page.goto("queues/")
    assert background(page) == dark
    page.keyboard.press("t")
    expect(page.get_by_role("button", name="Theme: system")).to_be_visible()
    assert background(page) == light


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns"])
def test_moments_are_shown_on_the_readers_clock(browse: Browse, ground: Ground, zone: str) -> None:
    job = ground.jobs["failed"]
    page = browse(f"jobs/{job}/", timezone_id=zone)
    moment = page.locator(".life time").first
    utc = datetime.fromisoformat(moment.get_attribute("datetime") or "")
    there = utc.astimezone(ZoneInfo(zone))
    expect(moment).to_contain_text(f"{there:%H:%M:%S}")
    assert (
        moment.get_attribute("title") == f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03} UTC"
    )


def test_menu_opens_on_a_small_screen(browse: Browse) -> None:
    page = browse("queues/", width=NARROW, has_touch=True)
    menu = page.get_by_role("navigation", name="Console")
    expect(menu).to_be_hidden()
    button = page.get_by_role("button", name="Menu")
    button.tap()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(menu).to_be_visible()
    assert violations(page) == []
    menu.get_by_role("link", name="Workers").tap()
    expect(page).to_have_url(re.compile(r"/workers/$"))


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_menu_lists_and_figures_need_no_scripts(browse: Browse, ground: Ground, width: int) -> None:
    page = browse(width=width, scripts=False)
    menu = page.get_by_role("navigation", name="Console")
    expect(menu.get_by_role("link")).to_have_count(len(NAVIGATION))
    expect(page.get_by_role("button")).to_have_count(0)
    menu.get_by_role("link", name="Jobs").click()
    page.get_by_label("Search").fill(f"id:{ground.jobs['dead']}")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
    assert excess_width(page) == 0
    page.get_by_role("link", name="shop.restock").click()
    expect(page.locator("time").first).to_contain_text("UTC")
    page.goto(f"workflows/{ground.jobs['campaign']}/")
    expect(page.get_by_role("main")).to_contain_text(
        "The graph needs JavaScript; the table has the same."
    )
    page.get_by_role("link", name="Open 50").click()
    expect(page.locator("#live tbody tr")).to_have_count(52)


def test_actions_need_no_scripts(browse: Browse, ground: Ground) -> None:
    page = browse("queues/mail/", scripts=False)
    press(page, "Pause")
    expect(page.locator("#told")).to_contain_text("Queue mail is paused.")
    press(page, "Resume")
    expect(page.locator("#told")).to_contain_text("Queue mail goes on.")

    job = ground.send(tasks.mail, 41, countdown=7200)
    page.goto(f"jobs/?q=id:{job}")
    page.get_by_role("checkbox", name=re.compile("Tick")).check()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#told")).to_contain_text("1 job is cancelled")
    assert ground.state(job) == "cancelled"
