"""Every page and every form of the console, wide and narrow, light and dark: nothing is wrong with any of them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from holdfast.console.pages import ACTIONS
from tests.browser import addresses
from tests.browser.browsing import NARROW, THEMES, WIDE, Browse, excess_width, violations
from tests.browser.ground import Ground


def faults(page: Page) -> list[str]:
    """Look at a page in both widths and both themes; colours are all that themes differ in."""
    found = []
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 900})
        if too_wide := excess_width(page):
            found.append(f"{width}: scrolls sideways by {too_wide} px")
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            rules = () if theme == "light" else ("color-contrast",)
            found += [f"{width} {theme}: {each}" for each in violations(page, *rules)]
    return [f"{page.url}: {each}" for each in found]


@pytest.mark.parametrize("name", sorted(addresses.PAGES))
def test_page_is_accessible_fits_and_complains_of_nothing(
    browse: Browse, ground: Ground, name: str
) -> None:
    found = []
    for address in addresses.PAGES[name](ground):
        found += faults(browse(address, role="administer"))
    assert found == []


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_form_is_accessible_fits_and_complains_of_nothing(
    browse: Browse, ground: Ground, name: str
) -> None:
    page = browse(addresses.of_action(name, ground), role="administer", width=NARROW)
    assert page.get_by_role("main").get_by_role("button").count() == 1
    assert violations(page) == []
    assert excess_width(page) == 0
