"""Single values of a search: read with errors that name the word, what is wrong, and what may stand there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.utils import timezone

from holdfast.exceptions import SelectionRefused
from holdfast.ledger.reads.search.moments import Moment
from holdfast.ledger.states import Hold, Reason, State

MOMENTS = ("since", "until", "finished_since", "finished_until")
PATTERNS = ("task", "worker")
# As long as the widest column that is compared with one.
LONGEST = 255
MOST_IDS = 500
_WORDS = {state.name.lower(): state for state in State}
_HOLDS = sorted(value for name, value in vars(Hold).items() if name.isupper())
_REASONS = sorted(value for name, value in vars(Reason).items() if name.isupper())
_ARGUMENT = re.compile(r"(args|kwargs)((?:\.[^.\s:\"]+)+)")
_NEEDS_QUOTES = re.compile(r'[\s"]')


class Pair(NamedTuple):
    """A key and its value, as they are written: `task:shop.*`."""

    key: str
    value: str

    @property
    def is_argument(self) -> bool:
        """Whether it asks for an argument."""
        return self.key.split(".", 1)[0] in {"args", "kwargs"}

    def __str__(self) -> str:
        if self.value and not _NEEDS_QUOTES.search(self.value):
            return f"{self.key}:{self.value}"
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.key}:"{quoted}"'


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that is looked for: where it lies, and its value as a text; a * at an end stands for anything.

    Attributes:
        among: "args" (a parameter by name or by place, wherever it was given) or "kwargs".
        path: the name of the argument, then keys or places inside of it.
    """

    among: str
    path: tuple[str, ...]
    value: str

    def pair(self) -> Pair:
        """Return it as it is written."""
        return Pair(".".join((self.among, *self.path)), self.value)


def argument(pair: Pair) -> Argument:
    """Read an argument: `args.order_id:42`, `args.0:a`, `kwargs.user.name:ada*`."""
    found = _ARGUMENT.fullmatch(pair.key)
    if found is None:
        raise SelectionRefused(
            f"{pair}: {pair.key} names no argument: write args.NAME, args.0 or kwargs.NAME, as in args.order_id:42."
        )
    text = _text(pair, means="the value of the argument")
    if not text.strip("*"):
        raise SelectionRefused(
            f"{pair}: every value fits *: write the value, or how it begins or ends."
        )
    if "*" in text.removeprefix("*").removesuffix("*"):
        raise SelectionRefused(
            f"{pair}: a * may stand at the beginning and at the end of a value alone."
        )
    return Argument(found[1], tuple(found[2].split(".")[1:]), text)


def states(pair: Pair) -> list[State]:
    """Read states: one or several with commas."""
    found = []
    for word in _several(pair):
        if word not in _WORDS:
            raise SelectionRefused(f"{pair}: there is no state {word!r}{hint(word, _WORDS)}")
        found.append(_WORDS[word])
    return found


def ids(pair: Pair) -> list[str]:
    """Read ids: one or several with commas, each whole or the beginning of one with a *."""
    found = _several(pair)
    for id in found:
        _pattern(Pair("id", id))
    return found


def one(pair: Pair, *, means: str) -> str | Moment:
    """Read the value of a key that stands there once."""
    text = _text(pair, means=means)
    if pair.key in MOMENTS:
        try:
            return Moment.read(text)
        except SelectionRefused as error:
            raise SelectionRefused(f"{pair}: {error}") from None
    if pair.key in PATTERNS:
        _pattern(pair)
    if pair.key == "hold" and text not in _HOLDS:
        raise SelectionRefused(f"{pair}: no job is held for {text!r}{hint(text, _HOLDS)}")
    if pair.key == "reason" and text not in _REASONS:
        raise SelectionRefused(f"{pair}: no job ends for {text!r}{hint(text, _REASONS)}")
    return text


def unknown_key(pair: Pair, known: Iterable[str], *, also: str) -> SelectionRefused:
    """Return the error for a key that there is none of."""
    near = difflib.get_close_matches(pair.key, list(known), n=1)
    more = f"did you mean {near[0]}:?" if near else f"there are {', '.join(known)}; {also}."
    return SelectionRefused(f"{pair}: there is no filter {pair.key!r}: {more}")


def refuse_too_many(ids: Sequence[str]) -> None:
    """Refuse more ids than one statement should name."""
    if len(ids) > MOST_IDS:
        raise SelectionRefused(
            f"id: {len(ids)} ids are more than the {MOST_IDS} that one look may name."
        )


def refuse_backwards(since: str, first: Moment | None, until: str, last: Moment | None) -> None:
    """Refuse a span of time that ends before it begins."""
    if first is None or last is None or first.is_ago is not last.is_ago:
        return  # which is earlier changes with the clock, and a search that is kept must not break of it
    now = timezone.now()
    if first.at(now) > last.at(now):
        raise SelectionRefused(
            f"{since}:{first} is later than {until}:{last}: nothing lies between. Change one of the two."
        )


def hint(word: str, known: Iterable[str]) -> str:
    """Return the rest of a sentence: what was meant, or all there is."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f": did you mean {near[0]!r}?" if near else f": take {', '.join(known)}."


def _several(pair: Pair) -> list[str]:
    found = [word.strip() for word in _text(pair, means="a value").split(",") if word.strip()]
    if not found:
        raise SelectionRefused(f"{pair}: nothing stands between the commas.")
    return found


def _text(pair: Pair, *, means: str) -> str:
    if not pair.value.strip():
        raise SelectionRefused(f"{pair.key}: has nothing behind it: write {pair.key}: and {means}.")
    if "\x00" in pair.value:
        raise SelectionRefused(f"{pair.key}: no text of the ledger has a NUL in it.")
    many = pair.key in {"state", "id", "error"} or pair.is_argument
    if len(pair.value) > LONGEST and not many:
        raise SelectionRefused(
            f"{pair.key}: has {len(pair.value)} characters behind it, and no value is longer than {LONGEST}."
        )
    return pair.value


def _pattern(pair: Pair) -> Any:
    if "*" in pair.value[:-1]:
        raise SelectionRefused(
            f"{pair}: a * may stand at the end alone, as in {pair.key}:{pair.value.split('*')[0]}*."
        )
