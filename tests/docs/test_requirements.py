"""The map of what was asked for: every row stands there once, and what it names as its proof exists."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT, existing_tests

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
# Rows of which an app of JOST shows at least a part.
SHOWN_BY_JOST = {
    *("B1", "B8", "C4", "C5", "C6", "D1", "D2", "D3", "D4", "E1", "E2", "E5", "E9"),
    *("E11", "E12", "E13", "E14", "E15", "E20", "E21", "E22", "E23", "E24"),
}
PROOF = re.compile(r"((?:tests|jost/\w+/tests)/[\w/]+\.py)((?:::\w+)?::test_\w+)")
OF_JOST = re.compile(
    r"jost/|tests/(?:integration|browser)/test_"
    r"(?:accounts|demo|imports|jost|leads|orders|reports|request|simulations|up)(?:_\w+)?\.py"
)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def table() -> list[list[str]]:
    """Return the cells of every row of the page's tables."""
    lines = re.findall(r"^\| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in cells if row[0] not in {"row", "figure", "---"}]


def named() -> list[str]:
    """Return all tests of the page, as pytest is asked for them."""
    proofs = {file + name for row in table() for file, name in PROOF.findall(row[2])}
    return sorted(proofs)


def test_every_row_is_there_once_with_its_proof() -> None:
    names = [row[0] for row in table()]
    assert [name for name in names if name not in FIGURES] == ROWS
    assert {name for name in names if name in FIGURES} == FIGURES
    assert len(names) == len(ROWS) + len(FIGURES)


@pytest.mark.parametrize("row", table(), ids=lambda row: row[0].replace(" ", "-"))
def test_row_says_what_it_is_and_what_proves_it(row: list[str]) -> None:
    name, _, proof = row
    tests = [file for file, _ in PROOF.findall(proof)]
    assert tests, "no test shows it"
    assert name not in SHOWN_BY_JOST or any(map(OF_JOST.match, tests)), "JOST does not show it"
    for page in LINK.findall(proof):
        assert (PAGE.parent / page.partition("#")[0]).exists(), page
    rest = LINK.sub("", PROOF.sub("", proof))
    assert re.sub(r"[,; ]", "", rest) == "", f"neither a test nor a page: {rest}"


@pytest.mark.slow
def test_every_test_that_is_named_is_collected() -> None:
    # A browser's are collected where there is one; of these the name has to do.
    browsers = {test for test in named() if test.startswith("tests/browser/")}
    assert {test.rpartition("::")[2] for test in browsers} <= existing_tests()
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-m", ""]
    asked = sorted(set(named()) - browsers)

    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-1000:]
