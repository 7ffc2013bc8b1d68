"""A real browser on a real site. Without TEST_BROWSER, which `make test-browser` sets, nothing here is collected."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.browser.browsing import Browse
    from tests.browser.ground import Ground

# Its modules need what is not in the environment of the other tests.
collect_ignore_glob = [] if os.environ.get("TEST_BROWSER") else ["test_*.py"]
# For our loopback address alone: it looks for nothing, and asks nobody.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test-browser` runs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Remember whether a test failed: then its pages are kept as pictures."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """The site that all tests look at; what one changes is its own."""
    # Its tasks belong to every app of the process: other tests have none of them.
    from tests.browser.ground import new_ground

    with new_ground(request) as ground:
        yield ground


@pytest.fixture(scope="session")
def chromium(ground: Ground) -> Iterator[Any]:
    """The browser; it begins after the ground, for with it an event loop runs in this thread."""
    from playwright.sync_api import expect, sync_playwright

    from tests.eventually import PATIENCE

    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        path = os.environ["TEST_BROWSER"]
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def browse(
    request: pytest.FixtureRequest, ground: Ground, chromium: Any, tmp_path: Path
) -> Iterator[Browse]:
    """Opens pages; at the end of the test none may have complained of anything."""
    from tests.browser.browsing import Browse

    with Browse(chromium, ground.web) as browse:
        yield browse
        if request.node.stash.get(FAILED, False):
            browse.keep_pictures(tmp_path)
    assert browse.complaints() == []
