"""A search in words, as people type it into one box: `state:failed task:shop.* error:"timed out" since:2h`."""

from __future__ import annotations

import re

from holdfast.exceptions import SelectionRefused
from holdfast.ledger.reads.search.filters import KEYS, JobFilter
from holdfast.ledger.reads.search.values import Pair, hint

LONGEST = 4000
# A word: text, and quoted parts that may have spaces in them. In quotes a backslash takes the next letter as it is.
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_WORD = re.compile(rf'(?:[^\s"]|{_QUOTED})+')
_PART = re.compile(rf'{_QUOTED}|[^"]+')
_WHOLE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PART_OF_ID = re.compile(r"[0-9a-f]{6,8}(-[0-9a-f-]*)?", re.IGNORECASE)
_TASK = re.compile(r"[^\W\d]\w*(\.\w+)+\.?\*?")


def read(text: str) -> JobFilter:
    """Read a search in words.

    An id, six digits of its beginning, or the beginning of a task's name with a dot in it may stand by itself.

    Raises:
        SelectionRefused: a word is none; the message names it and says what may stand there.
    """
    return JobFilter.of_pairs(pairs(text))


def pairs(text: str) -> list[Pair]:
    """Read the words of a search, and not yet what they mean; raises as `read`."""
    if len(text) > LONGEST:
        raise SelectionRefused(
            f"The search has {len(text)} characters, and at most {LONGEST} are read: take words out."
        )
    return [_pair(word) for word in _words(text)]


def write(wanted: JobFilter) -> str:
    """Write a filter in words; `read` makes the same filter of them."""
    return " ".join(str(pair) for pair in wanted.pairs())


def _words(text: str) -> list[str]:
    found, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        word = _WORD.match(text, place)
        end = word.end() if word else place
        if end < len(text) and text[end] == '"':
            raise SelectionRefused(
                f"{text[place : place + 60]}: there is a quote that nothing ends: put another one behind the text."
            )
        found.append(text[place:end])
        place = end
    return found


def _pair(word: str) -> Pair:
    key, colon, value = word.partition(":")
    if colon and '"' not in key:
        return Pair(key.lower() if key.lower() in KEYS else key, _unquoted(value))
    bare = _unquoted(word)
    if _WHOLE_ID.fullmatch(bare):
        return Pair("id", bare.lower())
    if _PART_OF_ID.fullmatch(bare.removesuffix("*")):
        return Pair("id", f"{bare.removesuffix('*').lower()}*")
    if _TASK.fullmatch(bare):
        return Pair("task", f"{bare.removesuffix('*')}*")
    if bare in KEYS:
        raise SelectionRefused(
            f"{bare}: a colon and a value are missing: {bare}: and {KEYS[bare]}."
        )
    quoted = Pair("error", bare)
    raise SelectionRefused(
        f"{bare}: it does not say what it is: write task:{bare.split()[0] if bare.split() else ''}*, {quoted}, "
        f"or another filter{hint(bare, KEYS)}"
    )


def _unquoted(value: str) -> str:
    return "".join(
        re.sub(r"\\(.)", r"\1", part[1:-1], flags=re.DOTALL) if part.startswith('"') else part
        for part in _PART.findall(value)
    )
