"""A chart as people keep it in a spreadsheet: a row per hand, ten columns from 2 to ace.

Sections `hard`, `soft` and `pairs` may head their rows; a header may put the columns in another
order. What is read is checked as a rules file is, so a wrong cell has the same name in both.
"""

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any

from .engine.chart import PARTS, UPCARDS, Chart, Code, part_of
from .engine.rules import RulesError, shown
from .rules_file import parse_rules_file

SECTIONS = {
    "hard": "hard",
    "soft": "soft",
    "pair": "pairs",
    "pairs": "pairs",
    "split": "pairs",
    "splits": "pairs",
}
TENS = {"T": "10", "J": "10", "Q": "10", "K": "10", "X": "10", "1": "A", "11": "A", "ACE": "A"}
# Spreadsheets write Ds in every case.
CODES = {str(code).lower(): str(code) for code in Code}
WIDTH = len(UPCARDS)


def chart_to_csv(chart: Chart) -> str:
    """All rows in three sections; read_chart_csv reads it back."""
    out = StringIO()
    rows = csv.writer(out, lineterminator="\n")
    for part, hands in chart.parts.items():
        rows.writerow([part, *UPCARDS])
        rows.writerows([[_spelt(hand), *row] for hand, row in hands.items()])
    return out.getvalue()


def read_strategy(text: str) -> dict[str, Any]:
    """A chart as JSON or CSV, whichever the text is, as a rules file has it under `strategy`.

    JSON may also be a whole rules file, whose chart is taken.
    """
    if not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return read_chart_csv(text)
    values = parse_rules_file(text.lstrip("\ufeff"))
    strategy = values.get("strategy")
    return strategy if isinstance(strategy, dict) else values


def read_chart_csv(text: str) -> dict[str, dict[str, list[str]]]:
    """The text as a rules file has it under `strategy`, its codes not yet checked.

    RulesError names the line of what is no row of a chart.
    """
    chart: dict[str, dict[str, list[str]]] = {}
    columns: Sequence[str] = UPCARDS
    section = ""
    for number, cells in enumerate(_lines(text), start=1):
        if not any(cells):
            continue
        header = _header(cells)
        if header is not None:
            named, given = header
            section = named or section
            columns = _columns(given, number=number) if any(given) else columns
            continue
        part, hand = _hand(cells[0], section=section, number=number)
        if hand in chart.setdefault(part, {}):
            raise _wrong(number, what=f"strategy.{part}.{hand} is there twice; leave one out")
        chart[part][hand] = _codes(cells[1:], columns=columns, part=part, hand=hand, number=number)
    if not chart:
        raise _wrong(
            1, what="there is no row; write a hand and ten codes, such as 16,S,S,S,S,S,H,..."
        )
    return chart


def _lines(text: str) -> list[list[str]]:
    bare = text.lstrip("\ufeff")
    delimiter = max(",;\t", key=bare.count)
    try:
        return [
            [cell.strip() for cell in row]
            for row in csv.reader(bare.splitlines(), delimiter=delimiter)
        ]
    except csv.Error as reason:
        raise _wrong(1, what=f"it cannot be read as CSV ({reason}); save it as plain CSV") from None


def _header(cells: Sequence[str]) -> tuple[str, list[str]] | None:
    """The section, if any, and the columns that a line names; None for the row of a hand."""
    first, *others = cells
    words = [word.strip(":") for word in first.lower().split()]
    if words and words[0] in SECTIONS and set(words[1:]) <= {"hand", "hands", "total", "totals"}:
        return SECTIONS[words[0]], others
    given = [_upcard(cell) for cell in others]
    if any(given) and all(name in UPCARDS for name in given if name):
        return "", others
    return None


def _columns(cells: Sequence[str], *, number: int) -> list[str]:
    names = [_upcard(cell) for cell in cells]
    while names and not names[-1]:
        names.pop()
    if sorted(names) != sorted(UPCARDS):
        raise _wrong(number, what=f"the columns must be {', '.join(UPCARDS)}")
    return names


def _upcard(cell: str) -> str:
    return TENS.get(cell.upper(), cell.upper())


def _hand(cell: str, *, section: str, number: int) -> tuple[str, str]:
    """Part and row: "hard 16", "A,7", "soft 18", "8-8", "TT"."""
    words = cell.upper().replace("PAIR OF", "PAIRS").split()
    if words and words[0].lower().rstrip(":") in SECTIONS:
        section = SECTIONS[words[0].lower().rstrip(":")]
        words = words[1:]
    bare = "".join(words).translate(str.maketrans("", "", ",-/+ "))
    for hand in _spellings(bare, section=section):
        for part, names in PARTS.items():
            if hand in names and section in {"", part}:
                return part, hand
    where = f" of {section}" if section else ""
    rows = ", ".join(PARTS[section]) if section else "5 to 17, A2 to A9, 22 to 1010, AA"
    raise _wrong(number, what=f"{shown(cell)} is no row{where}; take one of {rows}")


def _spellings(bare: str, *, section: str) -> list[str]:
    for ten in "TJQKX":
        bare = bare.replace(ten, "10")
    spellings = [bare]
    if bare.endswith("A") and bare != "AA":
        spellings.append(f"A{bare[:-1]}")
    if section == "soft" and bare.isdecimal():
        spellings.append(f"A{int(bare[:3]) - 11}")
    if section == "pairs":
        spellings.append(bare * 2)
    return spellings


def _codes(
    cells: Sequence[str], *, columns: Sequence[str], part: str, hand: str, number: int
) -> list[str]:
    given = list(cells)
    while len(given) > WIDTH and not given[-1]:
        given.pop()
    if len(given) != WIDTH:
        raise _wrong(
            number,
            what=f"strategy.{part}.{hand} has {len(given)} codes; give ten, for {', '.join(columns)}",
        )
    by_upcard = dict(zip(columns, given, strict=True))
    return [CODES.get(by_upcard[upcard].lower(), by_upcard[upcard]) for upcard in UPCARDS]


def _spelt(hand: str) -> str:
    """With a comma, or a spreadsheet would take 22 for a total and 1010 for a number."""
    if part_of(hand) == "hard":
        return hand
    if part_of(hand) == "soft":
        return f"A,{hand[1:]}"
    half = hand[: len(hand) // 2]
    return f"{half},{half}"


def _wrong(number: int, *, what: str) -> RulesError:
    return RulesError(f"Line {number} of the chart: {what}.", field="strategy")
