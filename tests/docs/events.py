"""Makes the table of docs/reference/events.md from the signals and what stands below each.

python -m tests.docs.events --write
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from holdfast import events
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "events.md"
BEGIN = "<!-- made by `python -m tests.docs.events --write` -->"
END = "<!-- end of what is made -->"


def told() -> Iterator[tuple[str, str, str]]:
    """Yield the name of each signal, when it is sent, and its arguments."""
    body = ast.parse(Path(events.__file__).read_text()).body
    for made, below in pairwise(body):
        if isinstance(made, ast.Assign) and isinstance(made.targets[0], ast.Name):
            assert isinstance(below, ast.Expr)
            assert isinstance(below.value, ast.Constant)
            when, _, arguments = str(below.value.value).partition(". ")
            yield made.targets[0].id, f"{when}.", arguments.removesuffix(".")


def render() -> str:
    """Return everything between the two marks."""
    rows = [f"| `{name}` | {when} | {arguments} |" for name, when, arguments in told()]
    return "\n".join(["| signal | sent when | arguments |", "| --- | --- | --- |", *rows])


def page_with(rendered: str) -> str:
    """Return the page with what lies between the marks replaced."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rendered}\n\n{END}{after}"


if __name__ == "__main__":
    page = page_with(render())
    if "--write" in sys.argv:
        PAGE.write_text(page)
    else:
        sys.stdout.write(page)
