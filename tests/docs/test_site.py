"""The documentation site: what it shows that no page of the repository does by itself. `make site` builds it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import holdfast
import holdfast.exceptions
from tests.docs.pages import ROOT

DOCS = ROOT / "docs"
_spec = importlib.util.spec_from_file_location("draw", DOCS / "draw.py")
assert _spec is not None
assert _spec.loader is not None
draw = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(draw)


def test_every_diagram_is_drawn_as_it_is_now() -> None:
    stale = [drawing.name for drawing, block in draw.drawings() if not draw.is_of(drawing, block)]
    assert not stale, f"draw them again: python docs/draw.py ({', '.join(stale)})"


def test_drawing_of_another_block_is_told(tmp_path: Path) -> None:
    ((drawing, block), *_) = draw.drawings()
    assert not draw.is_of(drawing, block + "more")
    assert not draw.is_of(tmp_path / "none.svg", block)


def test_every_public_name_is_in_the_reference() -> None:
    page = (DOCS / "reference" / "python.md").read_text()
    named = set(vars(holdfast.exceptions)) | set(
        re.findall(r"^\.\. auto(?:class|exception|function|module):: ([\w.]+)$", page, re.MULTILINE)
    )
    missing = {name for name in holdfast.__all__ if not {name, f"holdfast.{name}"} & named}
    assert not missing, f"docs/reference/python.md lacks {sorted(missing)}"


def test_every_page_is_reached_from_the_first_one() -> None:
    first = (DOCS / "index.md").read_text()
    alone = [page.stem for page in DOCS.glob("*.md") if f"\n{page.stem}\n" not in first]
    assert alone == ["index"], f"docs/index.md does not list {alone}"
