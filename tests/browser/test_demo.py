"""The page of the demo in a real browser: counts move, each button is pressed, and the promises are seen to hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.browsing import NARROW, Browse, excess_width, violations
from tests.browser.test_pages import faults
from tests.eventually import eventually
from tests.integration.test_demo import Demo

BUTTONS = {
    "Kill a worker": r"Killed the (pool process of )?worker (jobs|cpu), process \d+, with SIGKILL",
    "Wipe Redis": "Wiped Redis",
    "Freeze the scheduler": "Froze the scheduler for 3 seconds",
}


@dataclass(kw_only=True)
class DemoGround:
    """A running `make demo`, and where a browser finds it."""

    demo: Demo

    @property
    def web(self) -> DemoGround:
        return self

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.demo.port}"

    @property
    def root(self) -> str:
        return f"{self.address}/"

    def log_tail(self) -> str:
        return "\n".join(self.demo.lines[-40:])

    def recorded(self) -> int:
        """How many effects the gateways have recorded."""
        port = (self.demo.folder / "gateways.port").read_text()
        totals = requests.get(f"http://127.0.0.1:{port}/record", timeout=30).json()
        return sum(kind["keys"] for kind in totals.values())


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoGround]:
    """In place of the console's site."""
    folder: Path = tmp_path_factory.mktemp("demo") / "data"
    demo = Demo(folder, JOST_DEMO_FREEZE_SECONDS="3")
    try:
        demo.until_ready()
        eventually(lambda: demo.happened() > 10, told="effects happen")
        yield DemoGround(demo=demo)
    finally:
        demo.end()


def told(page: Page, name: str) -> int:
    """A figure of the page, as it stands there now."""
    return int(re.sub(r"\D", "", page.locator(f'[data-of="{name}"]').inner_text()) or 0)


def test_page_counts_by_itself_what_the_gateways_have_recorded(
    browse: Browse, ground: DemoGround
) -> None:
    page = browse("demo/")
    before = ground.recorded()

    eventually(lambda: told(page, "sums.happened") > before, told="the count moves")

    assert told(page, "sums.happened") <= ground.recorded()
    for name in ("Payments taken", "SMS to leads", "Rows of files", "Reports"):
        expect(page.get_by_role("rowheader", name=name)).to_be_visible()
    assert faults(page) == []


@pytest.mark.parametrize("button", BUTTONS)
def test_button_breaks_what_it_says_and_the_promises_hold(browse: Browse, button: str) -> None:
    page = browse("demo/", width=NARROW, theme="dark")
    page.get_by_role("button", name=button).click()

    expect(page.get_by_role("status").first).to_have_text(re.compile(BUTTONS[button]))
    expect(page.locator("#faults li").first.locator(".over")).to_have_text(
        re.compile(r"after \d+\.\d s")
    )
    before = told(page, "sums.happened")
    eventually(lambda: told(page, "sums.happened") > before, told="the load goes on")
    assert (told(page, "sums.lost"), told(page, "sums.twice")) == (0, 0)
    assert told(page, "answers.different") == 0
    assert excess_width(page) == 0
    assert violations(page) == []


def test_button_is_pressed_by_keys_and_without_scripts(browse: Browse) -> None:
    page = browse("demo/", scripts=False, width=NARROW)
    page.get_by_role("button", name="Wipe Redis").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("status").first).to_have_text(re.compile("Wiped Redis"))
    expect(page.locator("#kinds").get_by_role("row")).to_have_count(7)
    assert excess_width(page) == 0
