"""Every page and every action of the console, one by one: closed to strangers, and each no wider than its role."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client, override_settings

from holdfast.console import urls as _registered  # noqa: F401  # the console's own pages
from holdfast.console.access import OPERATE, VIEW
from holdfast.console.pages import ACTIONS, PAGES, Action, Page
from holdfast.ledger import audit

ROOT = "/holdfast/"
ALL: list[Page | Action] = [*PAGES.values(), *ACTIONS.values()]
OWN = [each for each in ALL if each.function.__module__.startswith("holdfast.")]
SOME = {"uuid": str(UUID(int=1)), "int": "1"}


def address(each: Page | Action, *, api: bool) -> str:
    """Return an address of this page or action, of a thing that is not there."""
    route = re.sub(r"<(?:(\w+):)?\w+>", lambda part: SOME.get(part[1] or "", "x"), each.route)
    return f"{ROOT}{'api/' if api else ''}{route}"


def name_of(each: Page | Action) -> str:
    return each.name


def test_nothing_is_left_out() -> None:
    assert len(OWN) > 40
    assert {"jobs", "job-cancel", "worker-stacks", "limit-change"} <= {each.name for each in OWN}


@pytest.mark.parametrize("each", OWN, ids=name_of)
def test_strangers_are_shown_nothing_and_do_nothing(nobody: Client, each: Page | Action) -> None:
    assert nobody.get(address(each, api=False)).status_code in {302, 403}
    assert nobody.post(address(each, api=False)).status_code in {302, 403, 405}
    for answer in (nobody.get(address(each, api=True)), nobody.post(address(each, api=True))):
        assert answer.status_code == 401
        assert answer.json().keys() == {"error"}
    assert audit.lines() == []


@pytest.mark.parametrize("each", [one for one in OWN if one.needs > VIEW], ids=name_of)
def test_who_may_less_is_refused_and_told_what_is_missing(
    viewer: Client, operator: Client, each: Page | Action
) -> None:
    less = viewer if each.needs == OPERATE else operator
    for api in (False, True):
        refused = less.post(address(each, api=api))
        assert refused.status_code == 403
        assert "holdfast." in refused.content.decode()


@pytest.mark.parametrize("act", [one for one in OWN if isinstance(one, Action)], ids=name_of)
def test_nothing_is_done_in_a_console_that_is_read_only(
    administrator: Client, act: Action, console: str
) -> None:

    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        refused = administrator.post(address(act, api=True))
    assert refused.status_code == 403
    assert "read-only" in refused.json()["error"]["message"]
