"""Pages as one person sees them, and what is wrong with one: for every test of a browser."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
)

from tests.browser.serving import WebServer
from tests.eventually import PATIENCE

WIDE, NARROW = 1440, 390
THEMES = ("light", "dark")
# WCAG 2.2 AA, with all that is part of it.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`against the policy: ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""
# What a page draws after it is there: charts, the graph, what a worker tells of itself.
_SETTLED = """() =>
  [...document.querySelectorAll("figure[data-chart]")].every((each) => each.childElementCount) &&
  (!document.querySelector("#graph") || document.querySelector("#graph .box")) &&
  !document.querySelector("[hx-trigger=load]")
"""
_AXE_RUN = """async (rules) => (await axe.run(document, { runOnly: rules })).violations.map((each) =>
  `${each.id} (${each.help}): ` + each.nodes.slice(0, 3).map((node) =>
    `${node.target.join(" ")} ${[...node.any, ...node.all, ...node.none].map((why) => why.message).join("; ")}`))"""


class Browse:
    """Opens pages for one test, and notes what they complain of."""

    def __init__(self, browser: Browser, web: WebServer) -> None:
        self.web = web
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._pages: list[Page] = []
        self._complaints: list[str] = []
        self._expected: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for context in self._contexts:
            context.close()

    def __call__(
        self,
        path: str = "",
        *,
        role: str = "operate",
        web: WebServer | None = None,
        width: int = WIDE,
        theme: str = "light",
        scripts: bool = True,
        **options: Any,
    ) -> Page:
        """Open a page in a browser of its own, as somebody with a role; options are those of its context."""
        web = web or self.web
        context = self._browser.new_context(
            base_url=web.root,
            viewport={"width": width, "height": 900 if width > NARROW else 844},
            color_scheme=theme,
            # Colours that change slowly would be measured half-way.
            reduced_motion="reduce",
            extra_http_headers={"X-Test-Role": role},
            java_script_enabled=scripts,
            **{"locale": "en-GB", **options},
        )
        context.set_default_timeout(PATIENCE * 1000)
        context.add_init_script(_VIOLATIONS)
        context.on("console", self._told)
        context.on("weberror", lambda error: self._complain(f"error: {error.error}"))
        context.on("request", lambda request: self._asked(request, web))
        self._contexts.append(context)
        page = context.new_page()
        self._pages.append(page)
        if scripts:
            go(page, path)
        else:
            page.goto(path)
        return page

    def expect(self, pattern: str) -> None:
        """Let pages say what matches: a test that provokes an error says which."""
        self._expected.append(pattern)

    def complaints(self) -> list[str]:
        """Return what pages complained of, but for what was expected."""
        return [
            each
            for each in self._complaints
            if not any(re.search(pattern, each) for pattern in self._expected)
        ]

    def keep_pictures(self, directory: Path) -> None:
        """Keep what is seen and said, for whoever looks why a test failed."""
        print("\n".join(self.complaints()))  # noqa: T201
        # To take a picture is against the policy of the pages.
        self.expect(".")
        for number, page in enumerate(self._pages):
            page.screenshot(path=directory / f"page{number}.png", full_page=True)
        print(f"Pictures of the pages are in {directory}\n{self.web.log_tail()}")  # noqa: T201

    def _complain(self, text: str) -> None:
        self._complaints.append(text)

    def _told(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            where = message.location.get("url", "")
            self._complain(f"{message.type}: {message.text} {where}")

    def _asked(self, request: Request, web: WebServer) -> None:
        if not request.url.startswith((web.address + "/", "data:", "blob:")):
            self._complain(f"asks another host: {request.url}")


def go(page: Page, path: str) -> None:
    """Go to a page below the console's root; return once it has drawn what it draws."""
    page.goto(path, wait_until="load")
    page.wait_for_function(_SETTLED)


def press(page: Page, label: str, *, within: Locator | None = None, **said: str) -> None:
    """Do what is called so: press its button, or go to its form, fill it in and send it."""
    place = within or page.get_by_role("main")
    found = place.get_by_role("button", name=label, exact=True)
    link = place.get_by_role("link", name=label, exact=True)
    expect(found.or_(link)).to_be_visible()
    if not link.count():
        found.click()
        return
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(label)
    for field, text in said.items():
        page.get_by_label(field).fill(text)
    page.get_by_role("main").get_by_role("button", name=label, exact=True).click()


def violations(page: Page, *rules: str) -> list[str]:
    """Return what axe finds wrong, by some rules alone or by all of WCAG 2.2 AA."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(_AXE)
    found: list[str] = page.evaluate(_AXE_RUN, list(rules) or RULES)
    return found


def excess_width(page: Page) -> int:
    """Return by how many pixels the page can be scrolled sideways."""
    found: int = page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return found
