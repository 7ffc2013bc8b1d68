"""What errors, tracebacks and log lines say, without secrets: cleansed where people look, stored as they were said.

Hidden are values behind a name that is one of a secret, what is a secret by its form, and, where a job's call is at
hand, the values of its own secret arguments wherever they stand. What a sentence gives away otherwise nobody can know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from holdfast.dispatch.redaction import STARS, Redaction, redaction_of

# Shorter values of arguments stand in too many words that are none.
SHORTEST = 4
MOST_SECRETS = 100
# A name before a value: with = or :, quoted or not, and as PostgreSQL tells of a key. The first is for a text that is
# read backwards: from the sign on, of which there are few, and not from each word on.
_NAMED = re.compile(r"(?<![=>:/\\])(=[ \t]?|:)([\w-]{1,128})")
_BLANKS = re.compile(r"[ \t]{0,4}")
_QUOTED = re.compile(r"""(['"])([^'"\n\\]{1,128})\1\s?:\s{0,4}""")
_COLUMNS = re.compile(r"\(([\w, \"]{1,255})\)=\(([^\n]*?)\)(?=[^\w,)]|$)", re.MULTILINE)
# In running text a colon follows many a word, so fewer names count there; and nobody's password is behind KeyError.
_SPOKEN = re.compile(
    r"passw(?:or)?d|passphrase|passwd|pwd$|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential"
    r"|authorization|cookie",
    re.IGNORECASE,
)
_NO_NAME = re.compile(r"(?:Error|Exception|Warning|Required|Invalid|Expired)$")
_WHOLE_LINE = re.compile(r"authorization|cookie", re.IGNORECASE)
_OPENING = re.compile(r"""[bBrRuUfF]{0,2}(['"])""")
_BARE = re.compile(r"""[^\s,;&'"<>()\[\]{}|]+""")
_LITERAL = re.compile(r"""[bBrRuUfF]{0,2}['"]|\d""")
# What is a secret by its form: what every one of a kind has in it, which is looked for first, and what is kept of it.
_FORMS: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (("://",), re.compile(r"(://[^\s/@:'\"]*:)[^\s/'\"]+(?=@)"), rf"\1{STARS}"),
    (("://",), re.compile(r"(://[^\s/@:'\"]*:)(?!\d+\Z)[^\s/'\"@]+\Z"), rf"\1{STARS}"),
    (("earer ",), re.compile(r"\b([Bb]earer\s+)[\w.~+/=-]{6,}"), rf"\1{STARS}"),
    (("asic ",), re.compile(r"\b([Bb]asic\s+)[A-Za-z0-9+/]{8,}={0,2}(?![\w ])"), rf"\1{STARS}"),
    (("eyJ",), re.compile(r"(?<![\w.-])eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?"), STARS),
    (
        ("PRIVATE KEY",),
        re.compile(
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        rf"\1{STARS}",
    ),
    (("AKIA", "ASIA"), re.compile(r"\bA(?:K|S)IA[0-9A-Z]{12,}"), STARS),
    (
        ("ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "k_live_", "k_test_", "whsec_"),
        re.compile(r"\b(?:gh[opsur]|github_pat|[sr]k_(?:live|test)|whsec)_\w{10,}"),
        STARS,
    ),
    (("glpat-", "xox"), re.compile(r"\b(?:glpat|xox[abeoprs])-[\w-]{10,}"), STARS),
)


class Prose:
    """The rules for what was said about one job; with no task, those for all."""

    __slots__ = ("_rules", "_secrets")

    def __init__(self, task: Any = None, secrets: Iterable[Any] = ()) -> None:
        """Make the rules.

        Args:
            task: the task as the app knows it; None if it is not known here.
            secrets: values of arguments that nobody may see, of any type and depth.
        """
        self._rules = redaction_of(task)
        self._secrets = _forms_of(secrets)

    def clean(self, text: str) -> str:
        """Return a text without what is known to be a secret; 100 kB take some three milliseconds."""
        if not text:
            return text
        for secret in self._secrets:
            text = text.replace(secret, STARS)
        text = _without_halves(text, self._secrets)
        for marks, form, kept in _FORMS:
            if any(mark in text for mark in marks):
                text = form.sub(kept, text)
        return _without_named(text, self._rules)

    def lines(self, lines: list[str]) -> list[str]:
        """Return lines of a log cleansed: as one text, for some secrets have several lines."""
        return self.clean("\n".join(lines)).split("\n") if lines else lines


def _forms_of(secrets: Iterable[Any]) -> tuple[str, ...]:
    """Return secret values as they may stand in a text, the longest first."""
    found: dict[str, None] = {}
    for value in secrets:
        for text in _texts_of(value):
            if len(text.strip()) >= SHORTEST and text != STARS:
                forms = (text, repr(text)[1:-1], json.dumps(text)[1:-1], quote(text))
                found.update(dict.fromkeys(forms))
        if len(found) > MOST_SECRETS:
            break
    return tuple(sorted(found, key=len, reverse=True))


def _texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts_of(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _texts_of(inner)
    elif isinstance(value, bytes):
        yield value.decode(errors="ignore")
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _without_halves(text: str, secrets: tuple[str, ...]) -> str:
    """Take away the half of a secret that is left where the text was cut, at either end."""
    for secret in secrets:
        for size in range(len(secret) - 1, SHORTEST - 1, -1):
            if text.endswith(secret[:size]):
                text = text[:-size] + STARS
                break
        for size in range(len(secret) - 1, SHORTEST - 1, -1):
            if text.startswith(secret[-size:]):
                text = STARS + text[size:]
                break
    return text


def _without_named(text: str, rules: Redaction) -> str:
    """Take away what stands behind the name of a secret."""
    spans: list[tuple[int, int]] = []
    if "=" in text or ":" in text:
        spans += _spans(text, _names(text, rules))
    if "':" in text or '":' in text:
        keys = (key for key in _QUOTED.finditer(text) if rules.hides(key[2]))
        spans += _spans(text, ((key.end(2), key.end(), key[2]) for key in keys))
    if ")=(" in text:
        spans += [
            found.span(2)
            for found in _COLUMNS.finditer(text)
            if any(rules.hides(name.strip(' "')) for name in found[1].split(","))
        ]
    shown, place = [], 0
    for start, end in sorted(spans):
        if end <= place:
            continue
        if start >= place:
            shown += [text[place:start], STARS]
        place = end
    return "".join([*shown, text[place:]]) if shown else text


def _names(text: str, rules: Redaction) -> list[tuple[int, int, str]]:
    """Return the names of secrets with = or : behind them: where the sign is, where the value begins, the name."""
    size, known = len(text), dict[tuple[str, str], bool]()
    named = []
    for found in _NAMED.finditer(text[::-1]):
        sign, name = found[1][0], found[2]
        secret = known.get((sign, name))
        if secret is None:
            secret = known[sign, name] = _is_named(sign, name[::-1], rules)
        if secret:
            place = size - found.start()
            blanks = _BLANKS.match(text, place)
            named.append((place - 1, blanks.end() if blanks else place, name[::-1]))
    named.reverse()
    return named


def _is_named(sign: str, name: str, rules: Redaction) -> bool:
    spoken = bool(_SPOKEN.search(name))
    if sign == "=":
        return spoken or rules.hides(name)
    return (spoken or rules.hides_by_project(name)) and _NO_NAME.search(name) is None


def _spans(text: str, names: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
    """Yield where the values of these names stand; a name that is part of a value before it is none."""
    end = line_end = -1
    is_source = False
    for sign, start, name in names:
        if start < end:
            continue
        if sign >= line_end:
            line_end = text.find("\n", sign)
            line_end = len(text) if line_end < 0 else line_end
            is_source = _is_source(text, sign)
        # A line of the source has names of values, and no values but those written there.
        if is_source and not _LITERAL.match(text, start):
            continue
        end = _end_of_value(text, start, line_end, whole=bool(_WHOLE_LINE.search(name)))
        if end > start:
            yield start, end


def _is_source(text: str, place: int) -> bool:
    """Tell whether a place is on a line of source in a traceback: below the line that says where, and further in."""
    begin = text.rfind("\n", 0, place)
    if begin < 0:
        return False
    above = text[text.rfind("\n", 0, begin) + 1 : begin]
    where = above.lstrip(" |")
    if not where.startswith('File "'):
        return False
    line = text[begin + 1 : place]
    return len(line) - len(line.lstrip(" |")) > len(above) - len(where)


def _end_of_value(text: str, start: int, line_end: int, *, whole: bool) -> int:
    """Return where a value ends that begins here; what is written in brackets or calls takes its line."""
    if opening := _OPENING.match(text, start):
        place = opening.end()
        while place < line_end and text[place] != opening[1]:
            place += 2 if text[place] == "\\" else 1
        return min(place + 1, line_end)
    if whole:
        return line_end
    bare = _BARE.match(text, start, line_end)
    end = bare.end() if bare else start
    return line_end if end < line_end and text[end] in "([{" else end
