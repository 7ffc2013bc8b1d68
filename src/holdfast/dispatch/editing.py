"""What a dead letter is called with, as JSON that people edit: secrets are stars there, and come back where they stood.

Runs where people look at jobs. Nothing here touches the ledger: rows come in, values go out.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.utils.json import dumps, loads

from holdfast.dispatch import calls
from holdfast.dispatch.redaction import STARS
from holdfast.exceptions import SelectionRefused
from holdfast.ledger.records import Message

# A form is no place for more; so much is shown of a difference.
LARGEST = 65_536
MOST_LINES = 200
JSON = "application/json"
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Editable:
    """Arguments as JSON for a form, without secrets; `refused` says why there are none."""

    args: str = "[]"
    kwargs: str = "{}"
    refused: str = ""


def for_editing(app: Celery, message: Message) -> Editable:
    """Return what a form shows of a job's arguments.

    What a sender has described in his own words is hidden whole, as a secret is.
    """
    by_hand = (
        "Change it where it is called: dead_letters.filter(ids=[...]).replay(args=..., kwargs=...)."
    )
    if message.content_type != JSON:
        return Editable(
            refused=f"It was sent as {message.content_type}, which a form of JSON would change. {by_hand}"
        )
    if len(message.body) > LARGEST:
        return Editable(refused=f"Its arguments take more than {LARGEST // 1024} KiB. {by_hand}")
    shown = _shown(app, message)
    if shown is None:
        why = calls.shown(app, message).hidden
        return Editable(refused=f"Its arguments cannot be shown: {why}.")
    args, kwargs = (dumps(part, indent=2, ensure_ascii=False) for part in shown)
    return Editable(args=args, kwargs=kwargs)


def edited(
    app: Celery, message: Message, *, args: str, kwargs: str
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a form that came back, with the secrets that were not changed.

    Stars stand for the value that had them in its place: under the same keys, and in a list of the same length. A list
    of another length, or with its parts in another order, has no such places.

    Raises:
        SelectionRefused: it is no JSON, no list and object, or stars stand where there is no secret to stand for.
    """
    shown = _shown(app, message)
    if shown is None:
        raise SelectionRefused(
            f"Job {message.job} cannot be edited here: {for_editing(app, message).refused}"
        )
    old_args, old_kwargs = calls.arguments(app, message)
    new_args = _restored(_read("args", args), shown[0], list(old_args), "args")
    new_kwargs = _restored(_read("kwargs", kwargs), shown[1], dict(old_kwargs), "kwargs")
    if not isinstance(new_args, list):
        raise SelectionRefused("args must be a JSON list, such as [1, 2].")
    if not isinstance(new_kwargs, dict):
        raise SelectionRefused('kwargs must be a JSON object, such as {"amount": 2}.')
    return new_args, new_kwargs


def difference(app: Celery, before: Message, after: Message) -> list[str]:
    """Return what an edit has changed, line by line: "- " was taken away and "+ " was put there. No secrets.

    Calls that cannot be shown, or are too long, are said to differ.
    """
    if max(len(before.body), len(after.body)) > LARGEST:
        return ["? too long to be compared here"]
    old, new = _shown(app, before), _shown(app, after)
    if old is None or new is None:
        return ["? cannot be decoded here"]
    lines = [
        f"{mark} {name}: {line[2:]}"
        for name, one, other in (("args", old[0], new[0]), ("kwargs", old[1], new[1]))
        for line in difflib.ndiff(_lines(one), _lines(other))
        if (mark := line[:1]) in "+-"
    ]
    if not lines and calls.arguments(app, before) != calls.arguments(app, after):
        lines = ["? a hidden value"]
    left = len(lines) - MOST_LINES
    return lines if left <= 0 else [*lines[:MOST_LINES], f"? {left} lines more"]


def _shown(app: Celery, message: Message) -> tuple[Any, Any] | None:
    """Return the arguments with stars; a part that its sender describes in words is stars as a whole."""
    call = calls.shown(app, message)
    if call.args is None and call.kwargs is None:
        return None
    args = call.args if isinstance(call.args, list) else STARS
    return args, call.kwargs if isinstance(call.kwargs, dict) else STARS


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str).splitlines()


def _read(name: str, text: str) -> Any:
    try:
        return loads(text)
    except ValueError as error:
        raise SelectionRefused(f"{name} is no JSON: {error}. Nothing was changed.") from error


def _restored(new: Any, shown: Any, old: Any, where: str) -> Any:
    """Put the secrets back into what was edited."""
    if isinstance(new, str) and new == STARS:
        if shown != STARS:
            raise SelectionRefused(
                f"{where} is stars, and no hidden value stands at that place: write the value itself. A list with "
                "hidden values keeps them only as long as its length and its order stay. Nothing was changed."
            )
        return old
    if isinstance(new, dict):
        return {
            key: _restored(value, _at(shown, key), _at(old, key), f"{where}.{key}")
            for key, value in new.items()
        }
    if isinstance(new, list):
        same = isinstance(shown, list) and len(shown) == len(new)
        places = shown if same else [_NOTHING] * len(new)
        values = old if same else places
        return [
            # Found at another place as it was: it has been moved, and its secret has not.
            _restored(
                value, _NOTHING if _moved(value, index, places) else place, was, f"{where}[{index}]"
            )
            for index, (value, place, was) in enumerate(zip(new, places, values, strict=True))
        ]
    return new


def _moved(value: Any, index: int, places: list[Any]) -> bool:
    return isinstance(value, dict | list) and value != places[index] and value in places


def _at(value: Any, key: str) -> Any:
    return value.get(key, _NOTHING) if isinstance(value, Mapping) else _NOTHING
