"""Finding jobs by what they were called with, as people may see it: a secret cannot be found by guessing it.

Runs where people look at jobs. The ledger sorts out by bytes what cannot fit; what is left is decoded and cleansed as
it would be shown, and compared then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from celery import Celery

from holdfast.correlation import CORRELATION, SAID
from holdfast.dispatch import calls
from holdfast.dispatch.known import task_named
from holdfast.dispatch.redaction import redaction_of
from holdfast.ledger.reads.search.bodies import Examination
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.values import Argument
from holdfast.ledger.records import Message

_NOTHING = object()
_WORDS = {"true": True, "false": False, "null": None, "none": None}


def examination_of(app: Celery, wanted: JobFilter) -> Examination | None:
    """Return how jobs are looked into for a filter; None if it asks nothing of what they were called with."""
    if not wanted.looks_into_bodies:
        return None

    def judge(message: Message) -> bool | None:
        if wanted.correlation and not _belongs(message, wanted.correlation):
            return False
        return _fits(app, message, wanted.arguments) if wanted.arguments else True

    # Part of both names that the header may have.
    headers = ["correlation", *_plain_text(wanted.correlation)] if wanted.correlation else []
    return Examination(
        body=[_needles(argument.value) for argument in wanted.arguments],
        headers=headers,
        judge=judge,
    )


def _belongs(message: Message, correlation: str) -> bool:
    headers: Mapping[str, Any] = json.loads(message.headers)
    return correlation in {str(headers.get(CORRELATION)), str(headers.get(SAID))}


def _fits(app: Celery, message: Message, arguments: Sequence[Argument]) -> bool | None:
    """Tell whether a call has these arguments; None if what is shown of it are words of its sender or none."""
    call = calls.shown(app, message)
    if call.hidden:
        return None
    names = redaction_of(task_named(app, message.task)).parameters
    return all(
        any(_equals(value, argument.value) for value in _values(call, names, argument))
        for argument in arguments
    )


def _values(call: calls.ShownCall, names: Sequence[str], argument: Argument) -> Iterator[Any]:
    """Yield what a call was given under this name: by keyword, by place, or by the place its name has."""
    first, *rest = argument.path
    found = [call.kwargs.get(first, _NOTHING)]
    if argument.among == "args":
        found.append(_inside(call.args, [first]) if first.isdigit() else _NOTHING)
        if first in names:
            found.append(_inside(call.args, [str(names.index(first))]))
    yield from (inner for value in found if (inner := _inside(value, rest)) is not _NOTHING)


def _inside(value: Any, path: Sequence[str]) -> Any:
    """Return what lies in a value under keys and places, or nothing."""
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step, _NOTHING)
        elif isinstance(value, list | tuple) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _NOTHING
    return value


def _equals(value: Any, asked: str) -> bool:
    """Tell whether a value is what was written, as its text. A hidden one's is stars: nobody can ask so."""
    if isinstance(value, bool) or value is None:
        return asked.lower() in _WORDS and value is _WORDS[asked.lower()]
    if isinstance(value, Mapping | list | tuple):
        return False
    return any(_is_like(text, asked) for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    yield str(value)
    if isinstance(value, date | datetime):
        yield value.isoformat()


def _is_like(text: str, asked: str) -> bool:
    bare = asked.strip("*")
    begins, ends = not asked.startswith("*"), not asked.endswith("*")
    if begins and ends:
        return text == asked
    if begins:
        return text.startswith(bare)
    return text.endswith(bare) if ends else bare in text


def _needles(asked: str) -> list[bytes]:
    """Return bytes of which a JSON body that has this value has one at least; none if nothing is sure of them."""
    bare = asked.strip("*")
    if bare.lower() in _WORDS or bare.lower().lstrip("-") in {"inf", "nan"}:
        return []
    # kombu writes a UUID as its digits alone, and a moment with a T.
    forms = {bare, bare.replace("-", ""), bare.replace(" ", "T")}
    if not all(forms):
        return []
    escaped = {json.dumps(form)[1:-1].encode() for form in forms}
    return sorted(escaped | {form.encode(errors="replace") for form in forms})


def _plain_text(text: str) -> list[str]:
    """Return a text as it stands in JSON, if every serializer writes it so."""
    return [text] if text.isascii() and json.dumps(text)[1:-1] == text else []
