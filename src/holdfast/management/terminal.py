"""What a verb says and asks: lines, tables and JSON to the output, questions to whoever sits there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.management.base import CommandError, OutputWrapper


class Terminal:
    """The command's output; a verb writes through it only, so that tests and `call_command` can read it."""

    def __init__(self, out: OutputWrapper, error: OutputWrapper, *, style: Any) -> None:
        self._out = out
        self._error = error
        self.style = style

    @property
    def watched(self) -> bool:
        """Whether a person sees the remarks as they come."""
        return bool(self._error.isatty())

    @property
    def colourful(self) -> bool:
        """Whether colours are wanted: a terminal without --no-color, or --force-color."""
        return bool(self.style.WARNING("x") != "x")

    def say(self, line: str = "") -> None:
        """Print a line of the answer."""
        self._out.write(line)

    def remark(self, line: str) -> None:
        """Print a line beside the answer, so that the answer can be piped on."""
        self._error.write(line)

    def json(self, value: Any) -> None:
        """Print one JSON value on one line; times become ISO 8601, other unknown values their text."""
        self.say(json.dumps(value, default=_exact))

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print rows under their heads, columns as wide as they need to be."""
        lines = [[_cell(value) for value in row] for row in rows]
        widths = [max(len(text) for text in column) for column in zip(heads, *lines, strict=True)]
        for line in (list(heads), *lines):
            self.say(
                "  ".join(
                    text.ljust(width) for text, width in zip(line, widths, strict=True)
                ).rstrip()
            )

    def text(self, value: Any) -> str:
        """Return a value as it is printed: times to the second."""
        return _plain(value)

    def confirm(self, question: str) -> None:
        """Ask before something that cannot be taken back; only "yes" goes on.

        Raises:
            CommandError: the answer was another one, or nobody is there to answer.
        """
        if not sys.stdin.isatty():
            raise CommandError(f"{question} Nobody is there to answer: say --yes to go on.")
        if input(f"{question} [yes/no] ").strip().lower() != "yes":
            raise CommandError("Nothing was changed.")


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(_plain(value)).split())


def _exact(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _plain(value: Any) -> str:
    return (
        str(value.isoformat(sep=" ", timespec="seconds"))
        if hasattr(value, "isoformat")
        else str(value)
    )
