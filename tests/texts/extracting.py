"""Finds the texts that are marked for translation, in the product's Python and in its templates."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from django.utils.translation.template import templatize

from tests.docs.pages import ROOT

PACKAGE = ROOT / "src" / "holdfast"
# How modules call Django's functions: by their names, as `_`, and as `_now` beside a lazy `_`.
ALIASES = frozenset({"_", "_now"})
_ONE, _TWO = None, (1, 2)
_KEYWORDS = {
    **dict.fromkeys(("gettext", "gettext_lazy", "gettext_noop", *ALIASES), _ONE),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), _TWO),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}


def modules() -> list[Path]:
    """Return the product's modules that translate anything."""
    return [
        path for path in sorted(PACKAGE.rglob("*.py")) if "utils.translation" in path.read_text()
    ]


def templates() -> list[Path]:
    """Return the product's templates."""
    return sorted((PACKAGE / "templates").rglob("*.html"))


def marked() -> Catalog:
    """Return all marked texts with the files they stand in."""
    found = Catalog(charset="utf-8", fuzzy=False)
    for path, source in _sources():
        place = path.relative_to(ROOT).as_posix()
        for line, text, comments, context in extract(
            "python", BytesIO(source.encode()), keywords=_KEYWORDS
        ):
            found.add(text, locations=[(place, line)], auto_comments=comments, context=context)
    return found


def _sources() -> Iterator[tuple[Path, str]]:
    for path in modules():
        yield path, path.read_text()
    for path in templates():
        # Django turns a template into calls among blots; without their indents they are Python's tokens.
        blotted = templatize(path.read_text(), origin=str(path))
        yield path, "\n".join(line.lstrip() for line in blotted.splitlines())
