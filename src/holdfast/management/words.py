"""How the command reads its words: subcommands and options, with the nearest known one for a slip of the pen."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.management.base import CommandParser


class WordParser(CommandParser):
    """The parser of one subcommand: takes Django's own options too, and names the nearest option to an unknown one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Django reads these before the command does; left out here they would be refused after a subcommand.
        for flag in ("--settings", "--pythonpath"):
            self.add_argument(flag, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        for flag in ("--traceback", "--no-color", "--force-color"):
            self.add_argument(
                flag, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
            )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse what is not known here, where the options are known."""
        known, rest = super().parse_known_args(args, namespace)
        options = [name for name in self._option_string_actions if name.startswith("--")]
        for word in rest:
            if word.startswith("-"):
                self.error(f"unknown option {word.partition('=')[0]}{_hint(word, options)}")
        return known, rest


class _Words(dict[str, Any]):
    """The subcommands by name; says which one is near when it is asked for one it does not have."""

    def __contains__(self, word: object) -> bool:
        if not super().__contains__(word):
            raise argparse.ArgumentError(None, f"there is no {word!r} here{_hint(str(word), self)}")
        return True


def choice(parser: CommandParser, helps: Mapping[str, str], *, dest: str) -> dict[str, WordParser]:
    """Let one of several subcommands follow, given with their helps; return the parser of each.

    The one that was chosen is in `options[dest]`.
    """
    words = parser.add_subparsers(
        dest=dest, required=True, metavar=dest.upper(), parser_class=WordParser
    )
    parsers = {
        word: words.add_parser(word, help=text, description=text) for word, text in helps.items()
    }
    words.choices = _Words(parsers)
    return parsers


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that a word was probably meant to be."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return near[0] if near else None


def _hint(word: str, known: Iterable[str]) -> str:
    near = nearest(word.partition("=")[0], known)
    return f": did you mean {near!r}?" if near else "; --help shows what there is"
