"""What a cell of a CSV file of ours must not be once a spreadsheet opens it."""

from __future__ import annotations

import re

# Where a cell begins: semicolons and tabs divide cells, too, where a country's comma is in its numbers. Signs of
# East Asian width are taken for the same.
_FORMULA = re.compile('(^|[;\t\r\n])(?=[ "]*[=+\\-@\uff1d\uff0b\uff0d\uff20])')


def harmless(text: str) -> str:
    """A stranger's text, in which an apostrophe stands before whatever would be a formula."""
    if text.startswith(("\t", "\r", "\n")):
        text = f"'{text}"
    return _FORMULA.sub(r"\1'", text)
