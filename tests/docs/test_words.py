"""The glossary has the states of a job, and every word that the pages for newcomers print in bold."""

from __future__ import annotations

import re

import pytest

from holdfast.ledger.states import State
from tests.docs.pages import ROOT

ROWS = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs" / "words.md").read_text(), re.MULTILINE
)[2:]
WORDS = {word.strip() for words, _ in ROWS for word in words.split(",")}
EXPLAINED = WORDS | {word for _, text in ROWS for word in re.findall(r"\*\*([^*]+)\*\*", text)}


def test_every_word_is_there_once() -> None:
    words = [word.strip() for words, _ in ROWS for word in words.split(",")]
    assert len(words) == len(WORDS) > 60


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md"])
def test_words_that_a_page_prints_in_bold_are_there(page: str) -> None:
    """A verb by its root: claims, heal, rescues."""
    bold = re.findall(r"\*\*([a-z ]+)\*\*", (ROOT / page).read_text())
    assert bold
    missing = {word for word in bold if not {word, word.removesuffix("s")} & EXPLAINED}
    assert not missing, f"docs/words.md lacks {sorted(missing)}"


def test_states_are_there() -> None:
    assert {state.name.lower() for state in State} <= WORDS
