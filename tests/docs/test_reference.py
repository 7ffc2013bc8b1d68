"""The pages that list things list all of them, as they are in the code."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from django.dispatch import Signal

from holdfast import checks, events
from holdfast.conf import Settings
from holdfast.ledger.states import Hold, Outcome, Reason, State
from tests.docs import console_api, lifecycle, metrics, models
from tests.docs import events as event_page
from tests.docs.events import told
from tests.docs.pages import ROOT

DOCS = ROOT / "docs"
FINDINGS = DOCS / "reference" / "findings.md"


def rows(page: str, *, columns: int) -> list[list[str]]:
    """Return the cells of the rows of that many columns that begin with a name in code."""
    lines = re.findall(r"^\| (`.*) \|$", (DOCS / page).read_text(), re.MULTILINE)
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return [row for row in cells if len(row) == columns]


def test_every_setting_is_listed_with_its_default() -> None:
    listed = {
        row[0].strip("`"): row[1].strip("`")
        for row in rows("reference/holdfast-settings.md", columns=5)
    }
    assert listed == {field.name: repr(field.default) for field in fields(Settings)}


def test_every_setting_says_what_it_trades() -> None:
    for row in rows("reference/holdfast-settings.md", columns=5):
        assert all(cell for cell in row), row


def test_every_check_has_an_entry_among_the_findings() -> None:
    entries = set(re.findall(r"^### (holdfast\.[EWI]\d{3})$", FINDINGS.read_text(), re.MULTILINE))
    known = {value for value in vars(checks).values() if str(value).startswith("holdfast.")}
    ids = {value for value in known if re.fullmatch(r"holdfast\.[EWI]\d{3}", str(value))}
    assert ids
    assert ids <= entries


def test_lifecycle_is_what_the_table_of_states_says() -> None:
    stale = "docs/lifecycle.md is stale: run python -m tests.docs.lifecycle --write"
    assert lifecycle.page_with(lifecycle.render()) == lifecycle.PAGE.read_text(), stale


def test_metrics_are_what_their_contract_says() -> None:
    stale = "docs/reference/metrics.md is stale: run python -m tests.docs.metrics --write"
    assert metrics.page_with(metrics.render()) == metrics.PAGE.read_text(), stale


@pytest.mark.parametrize("words", [Hold, Reason, Outcome])
def test_lifecycle_explains_every_word_of_a_row(words: type) -> None:
    values = {v for k, v in vars(words).items() if k.isupper()}
    listed = set(re.findall(r"^\| `([^`]+)` \|", lifecycle.PAGE.read_text(), re.MULTILINE))
    assert values <= listed


def test_events_are_what_the_signals_say() -> None:
    signals = {name for name, value in vars(events).items() if isinstance(value, Signal)}
    assert {name for name, when, _ in told() if when} == signals
    stale = "docs/reference/events.md is stale: run python -m tests.docs.events --write"
    assert event_page.page_with(event_page.render()) == event_page.PAGE.read_text(), stale


def test_json_of_the_console_is_what_it_says_of_itself() -> None:
    stale = "docs/reference/console-api.md is stale: run python -m tests.docs.console_api --write"
    assert console_api.page_with(console_api.render()) == console_api.PAGE.read_text(), stale


@pytest.mark.parametrize("label", models.PAGES)
def test_diagram_is_of_the_models_as_they_are(label: str) -> None:
    page = DOCS / models.PAGES[label]
    stale = f"{page.name} is stale: run python -m tests.docs.models --write"
    assert models.page_with(label) == page.read_text(), stale


def test_states_are_named_in_the_guarantees() -> None:
    text = (DOCS / "lifecycle.md").read_text()
    assert all(f"`{state.name.lower()}`" in text for state in State)
