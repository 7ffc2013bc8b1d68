"""A page that is new is looked at in a browser, too: it says where it is to be seen."""

from __future__ import annotations

from holdfast.console.pages import ACTIONS
from holdfast.console.pages import PAGES as THERE
from tests.browser.addresses import PAGES, THINGS, before_its_thing


def test_every_page_is_looked_at() -> None:
    assert THERE.keys() == PAGES.keys(), "say where it is to be seen: tests/browser/addresses.py"


def test_every_action_is_about_something_that_is_there() -> None:
    asked = {before_its_thing(name) for name in ACTIONS} - {""}
    assert asked == THINGS.keys(), "say what it is to be tried with: tests/browser/addresses.py"
