"""The map of what was asked for: every row stands there once, and what it names as its proof exists."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "requirements.md"
ROWS = [
    f"{letter}{number}"
    for letter, most in (("A", 12), ("B", 13), ("C", 6), ("D", 8), ("E", 34))
    for number in range(1, most + 1)
]
FIGURES = {
    "eviction",
    "broker pool",
    "broker retries",
    "socket timeouts",
    "results expire",
    "databases of Redis",
    "host of Redis",
    "alert on a queue",
    "visibility timeout",
}
STANDS = re.compile(r"there|not yet|in part: \S.*")
PROOF = re.compile(r"`((?:tests|jost/\w+/tests)/[\w/]+\.py)::(?:\w+::)?(test_\w+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def table() -> list[list[str]]:
    """Return the cells of every row of the page's tables."""
    lines = re.findall(r"^\| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in cells if row[0] not in {"row", "figure", "---"}]


def proof_of(row: list[str]) -> str:
    return row[-1]


def test_every_row_is_there_once_and_says_where_it_stands() -> None:
    names = [row[0] for row in table()]
    assert [name for name in names if name not in FIGURES] == ROWS
    assert {name for name in names if name in FIGURES} == FIGURES
    assert len(names) == len(ROWS) + len(FIGURES)
    for row in table():
        assert len(row) in {4, 5}, row
        assert STANDS.fullmatch(row[-2]), row


@pytest.mark.parametrize("row", table(), ids=lambda row: row[0].replace(" ", "-"))
def test_every_proof_is_there(row: list[str]) -> None:
    tests, pages = PROOF.findall(proof_of(row)), LINK.findall(proof_of(row))
    if row[-2] == "not yet":
        assert proof_of(row) == "", "what is not there has no proof"
        return
    assert tests, "no test shows it"
    for file, name in tests:
        assert (ROOT / file).exists(), file
        assert name in named_in(ROOT / file), f"{file} has no {name}"
    for page in pages:
        assert (PAGE.parent / page.partition("#")[0]).exists(), page
    rest = LINK.sub("", PROOF.sub("", proof_of(row)))
    assert re.sub(r"[,; ]", "", rest) == "", f"neither a test nor a page: {rest}"


@lru_cache
def named_in(file: Path) -> frozenset[str]:
    """Return the names of the tests of a file."""
    tree = ast.parse(file.read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
