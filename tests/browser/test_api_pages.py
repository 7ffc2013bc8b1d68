"""Swagger UI and ReDoc in a real browser: both show the API, under the policy of every page of JOST."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from holdfast.testing.services import RedisServer
from tests.browser.browsing import Browse
from tests.jost_site import JostSite


@dataclass(kw_only=True)
class DebugGround:
    """The site as a developer has it who logs at DEBUG."""

    address: str
    folder: Path

    @property
    def web(self) -> DebugGround:
        return self

    @property
    def root(self) -> str:
        return f"{self.address}/api/"

    def log_tail(self) -> str:
        return (self.folder / "web.log").read_text()[-4000:]


@pytest.fixture(scope="session")
def ground(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> Iterator[DebugGround]:
    """In place of the console's site."""
    folder = tmp_path_factory.mktemp("debug")
    site = JostSite(folder, redis_url=redis_server.url)
    site.environment["LOG_LEVEL"] = "DEBUG"
    with site:
        yield DebugGround(address=site.web(), folder=folder)


def test_swagger_asks_the_api_as_it_is_described(browse: Browse) -> None:
    page = browse("docs/")

    page.get_by_role("button", name="GET /api/simulations/presets/").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()

    answer = page.locator(".live-responses-table tr.response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text("plain-6d")


def test_redoc_shows_the_api_and_fetches_nothing_from_elsewhere(browse: Browse) -> None:
    page = browse("redoc/")

    expect(page.get_by_role("heading", name="JOST").first).to_be_visible()
    page.get_by_role("menuitem", name="orders").first.click()
    expect(page.get_by_role("heading", name="Place an order").first).to_be_visible()
    # What is shown may come later than what is asked for: the mark of the tool stands last in the menu.
    expect(page.locator("a[href*='redocly.com']").first).to_be_attached()
