"""What is shown of arguments and results without their secrets: in logs, events, the command and the admin.

A name decides: of a parameter, of a key at any depth, of a field in a text. Names that sound like secrets to Django's
filter of error reports are hidden, and those that HOLDFAST["redact"] and the task's own `redact` add to them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from celery.utils.saferepr import saferepr
from django.core.signals import setting_changed
from django.views.debug import get_default_exception_reporter_filter

from holdfast.conf import get_settings

STARS = "********************"
# The name before a value in a text: a key of a dictionary, or a field of an object.
_FIELD = re.compile(
    r"""'((?:[^'\\]|\\.){1,128})':\s*|"((?:[^"\\]|\\.){1,128})":\s*|\b(\w{1,128})="""
)
_PLACES = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Redaction:
    """The rules for one task's arguments and results; with no task, those for all."""

    def __init__(self, task: Any = None) -> None:
        self._names = tuple(getattr(task, "redact", None) or ())
        self.parameters = _parameters(task)
        self._places = frozenset(
            place for place, name in enumerate(self.parameters) if self.hides(name)
        )

    @property
    def hides_places(self) -> bool:
        """Whether some positional arguments are secrets by their place."""
        return bool(self._places)

    def hides(self, name: Any) -> bool:
        """Tell whether a value of this name is a secret."""
        return isinstance(name, str) and _hides(name, self._names)

    def hides_by_project(self, name: str) -> bool:
        """Tell whether the project itself has said that a value of this name is a secret."""
        return _hides_by_project(name, self._names)

    def args(self, args: Sequence[Any]) -> list[Any]:
        """Return positional arguments without their secrets."""
        names = [*self.parameters[: len(args)], *[""] * (len(args) - len(self.parameters))]
        return [self.value(name, value) for name, value in zip(names, args, strict=True)]

    def kwargs(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return keyword arguments without their secrets."""
        return {name: self.value(name, value) for name, value in kwargs.items()}

    def value(self, name: Any, value: Any) -> Any:
        """Return a value without its secrets, or stars in its place."""
        if self.hides(name):
            return STARS
        if isinstance(value, Mapping):
            return {key: self.value(key, inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            inside = [self.value("", inner) for inner in value]
            return inside if isinstance(value, list) else tuple(inside)
        return value

    def args_repr(self, args: Any, longest: int) -> str | None:
        """Return the text of positional arguments of which some are secrets by their place; None if none is."""
        if not self._places or not isinstance(args, list | tuple):
            return None
        if not any(place < len(args) for place in self._places):
            return None
        shown = [STARS if place in self._places else value for place, value in enumerate(args)]
        return saferepr(tuple(shown), longest)

    def text(self, text: str) -> str:
        """Return the text of a value, which may be cut short, without what stands behind the name of a secret.

        Where that is a list or another value of many parts, the text ends there.
        """
        if not (":" in text or "=" in text):
            return text
        shown, place = [], 0
        for found in _FIELD.finditer(text):
            if found.start() < place or not self.hides(found[1] or found[2] or found[3]):
                continue
            shown += [text[place : found.end()], STARS]
            place = _end_of_value(text, found.end())
            if place < 0:
                return "".join([*shown, "..."])
        return "".join([*shown, text[place:]]) if place else text


def redaction_of(task: Any) -> Redaction:
    """Return the rules for a task, or for a name that nobody here knows."""
    return _known(task) if task is not None else _for_all()


@lru_cache(maxsize=1024)
def _known(task: Any) -> Redaction:
    return Redaction(task)


@lru_cache(maxsize=1)
def _for_all() -> Redaction:
    return Redaction()


@lru_cache(maxsize=4096)
def _hides(name: str, more: tuple[str, ...]) -> bool:
    return bool(_pattern(more).search(name))


@lru_cache(maxsize=4096)
def _hides_by_project(name: str, more: tuple[str, ...]) -> bool:
    return any(re.search(part, name, re.IGNORECASE) for part in (*get_settings().redact, *more))


@lru_cache(maxsize=256)
def _pattern(more: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{part})" for part in _parts(more)), re.IGNORECASE)


def _parts(more: Iterable[str]) -> list[str]:
    django = getattr(get_default_exception_reporter_filter(), "hidden_settings", None)
    return [*([django.pattern] if django else []), *get_settings().redact, *more]


def _end_of_value(text: str, start: int) -> int:
    """Return where the value that begins here ends; -1 if nobody can tell."""
    if start < len(text) and text[start] in "'\"":
        place = start + 1
        while place < len(text) and text[place] != text[start]:
            place += 2 if text[place] == "\\" else 1
        return place + 1 if place < len(text) else -1
    simple = re.compile(r"[\w.+-]*").match(text, start)
    end = simple.end() if simple else start
    return end if end > start and (end == len(text) or text[end] in ",)}] ") else -1


def _parameters(task: Any) -> list[str]:
    if task is None:
        return []
    found = inspect.signature(task.run).parameters.values()
    return [parameter.name for parameter in found if parameter.kind in _PLACES]


def _forget(*, setting: str, **_: Any) -> None:
    if setting in {"HOLDFAST", "DEFAULT_EXCEPTION_REPORTER_FILTER"}:
        for cache in (_known, _for_all, _hides, _hides_by_project, _pattern):
            cache.cache_clear()


setting_changed.connect(_forget, dispatch_uid="holdfast.dispatch.redaction")
