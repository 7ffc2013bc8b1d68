"""Without a mouse: the palette, the keys, the order of the focus, questions, and how the focus comes back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import tasks
from tests.browser.browsing import Browse, violations
from tests.browser.ground import Ground


@pytest.fixture
def page(browse: Browse) -> Page:
    page = browse()
    # Its keys are listened to once its module has run.
    expect(page.locator("body")).to_have_attribute("data-live", "live")
    return page


def test_palette_finds_a_page_and_a_job(page: Page, ground: Ground) -> None:
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Find a page or a job")
    box = palette.get_by_role("combobox")
    expect(box).to_be_focused()
    page.keyboard.type("sched")
    chosen = palette.get_by_role("option", selected=True)
    expect(chosen).to_have_text("Schedules")
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    expect(chosen).to_contain_text("sched")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/schedules/$"))

    expect(page.locator("body")).to_have_attribute("data-live", "live")
    page.keyboard.press("Control+k")
    page.keyboard.type(ground.jobs["dead"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("shop.restock")


def test_escape_closes_the_palette_and_gives_the_focus_back(page: Page) -> None:
    button = page.get_by_role("button", name=re.compile("Find"))
    button.focus()
    page.keyboard.press("Enter")
    palette = page.get_by_role("dialog", name="Find a page or a job")
    expect(palette).to_be_visible()
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    expect(button).to_be_focused()


def test_palette_searches_the_jobs(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("task:shop.campaign")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/jobs/\?q=task"))
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)


def test_letters_go_to_pages_and_a_question_mark_lists_them(page: Page) -> None:
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("switch the theme")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("w")
    expect(page).to_have_url(re.compile(r"/workers/$"))


def test_slash_goes_to_the_search_where_letters_are_letters(browse: Browse) -> None:
    page = browse("jobs/")
    expect(page.locator("body")).to_have_attribute("data-live", "live")
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search")
    expect(box).to_be_focused()
    page.keyboard.type("gw?")
    expect(box).to_have_value("gw?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_search_proposes_words_and_takes_them_by_keys(browse: Browse) -> None:
    page = browse("jobs/")
    box = page.get_by_role("combobox", name="Search")
    box.press_sequentially("sta")
    expect(page.get_by_role("option", name="state:")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("de")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(box).to_have_value("state:dead ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Take out state:dead")).to_be_visible()
    expect(page.locator("table.jobs .pill.state-dead").first).to_be_visible()


def test_first_tab_is_a_way_past_the_menu(page: Page) -> None:
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    # Past the menu: the first thing of the page itself.
    expect(
        page.get_by_role("navigation", name="How far the charts go back").get_by_role("link").first
    ).to_be_focused()


def test_focus_goes_through_the_menu_in_the_order_it_is_seen_in(page: Page) -> None:
    menu = page.get_by_role("navigation", name="Console").get_by_role("link")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator(".brand")).to_be_focused()
    for each in menu.all():
        page.keyboard.press("Tab")
        expect(each).to_be_focused()
        outline = each.evaluate("(link) => getComputedStyle(link).outlineStyle")
        assert outline != "none", "the focus is not seen"


def test_question_is_answered_by_keys_and_no_answer_is_no(browse: Browse, ground: Ground) -> None:
    job = ground.send(tasks.mail, 6, countdown=7200)
    page = browse(f"jobs/{job}/")
    button = page.get_by_role("button", name="Cancel", exact=True)
    question = page.get_by_role("dialog")
    button.focus()
    page.keyboard.press("Enter")
    expect(question).to_contain_text("Cancel this job for good?")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(button).to_be_focused()
    assert ground.state(job) == "held"

    page.keyboard.press("Enter")
    # The answer that changes nothing has the focus.
    expect(question.get_by_role("button", name="Leave it")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#told")).to_contain_text("is cancelled")
    assert ground.state(job) == "cancelled"


def test_each_press_is_asked_about(browse: Browse, ground: Ground) -> None:
    """The browser may stay on a page, or come back to it, after an answer."""
    job = ground.send(tasks.mail, 7, countdown=7200)
    page = browse(f"jobs/{job}/")

    def stay(route: Route) -> None:
        route.fulfill(status=204)

    page.route("**/cancel/", stay)
    question = page.get_by_role("dialog")
    for _ in range(2):
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(question).to_be_visible()
        with page.expect_request("**/cancel/"):
            question.get_by_role("button", name="Do it").click()
        expect(question).to_be_hidden()
    assert ground.state(job) == "held"
