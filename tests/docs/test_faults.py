"""The table of faults in docs/faults.md is the catalogue of the soak, word for word."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.faults import CATALOGUE
from tests.chaos.faults.scene import BOTH, Fault

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
HEAD = "| fault | what happens | databases |"


def test_table_of_faults_is_the_catalogue() -> None:
    lines = PAGE.read_text().splitlines()
    rows = lines[lines.index(HEAD) + 2 :]
    table = rows[: rows.index("")]
    assert table == [row(fault) for fault in CATALOGUE]


def test_every_fault_is_named_once_and_says_what_it_does() -> None:
    names = [fault.name for fault in CATALOGUE]
    assert len(names) == len(set(names))
    assert all(fault.what for fault in CATALOGUE)


def row(fault: Fault) -> str:
    databases = "both" if fault.databases == BOTH else "PostgreSQL"
    if fault.databases == {"sqlite"}:
        databases = "SQLite"
    return f"| {fault.name} | {fault.what} | {databases} |"
