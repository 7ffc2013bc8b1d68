"""The shape of a task: what it can be called with, and how it runs; read from the code as Python itself binds it."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from celery import Celery

from holdfast.conf import get_settings

_KINDS = inspect.Parameter
ONLY_POSITIONAL = _KINDS.POSITIONAL_ONLY.description
EITHER = _KINDS.POSITIONAL_OR_KEYWORD.description
FURTHER_POSITIONAL = _KINDS.VAR_POSITIONAL.description
ONLY_KEYWORD = _KINDS.KEYWORD_ONLY.description
FURTHER_KEYWORD = _KINDS.VAR_KEYWORD.description
KINDS = (ONLY_POSITIONAL, EITHER, FURTHER_POSITIONAL, ONLY_KEYWORD, FURTHER_KEYWORD)
# Their signatures belong to the releases of Celery and Holdfast, and not to the project.
FOREIGN = ("celery.", "holdfast.")

KEEP_TASK = "keep a task of this name until no job of it waits"
KEEP_NAME = "keep the old name beside the new one until no job passes it"
KEEP_ORDER = "keep the old order, and add what is new at the end"
KEEP_KIND = "let it be given as before"
TAKE_OLD = "let the annotation take the old form too"
GIVE_DEFAULT = "give it a default value"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a task's body, without the `self` of a bound one."""

    name: str
    kind: str
    default: str | None = None
    """How the default reads in the code; None: a call must give a value."""

    @property
    def required(self) -> bool:
        return self.default is None and self.kind not in {FURTHER_POSITIONAL, FURTHER_KEYWORD}


@dataclass(frozen=True, slots=True)
class Shape:
    """One task as those who call it and those who run it must agree on it."""

    name: str
    parameters: tuple[Parameter, ...]
    queue: str = ""
    atomic: bool = False
    durable: bool = True

    @property
    def places(self) -> list[Parameter]:
        """The parameters that positional arguments land in, in their order."""
        return [p for p in self.parameters if p.kind in {ONLY_POSITIONAL, EITHER}]

    def takes(self, kind: str) -> bool:
        """Tell whether it has a parameter of a kind."""
        return any(parameter.kind == kind for parameter in self.parameters)

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter of that name; variadic ones have none that a call could use."""
        named = (p for p in self.parameters if p.kind not in {FURTHER_POSITIONAL, FURTHER_KEYWORD})
        return next((p for p in named if p.name == name), None)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a call cannot be made: the parameter it is about, what is wrong, and what mends it."""

    parameter: str
    what: str
    repair: str


def shapes_of(app: Celery) -> dict[str, Shape]:
    """Return the shapes of the project's tasks by name; all its task modules are imported for it."""
    app.loader.import_default_modules()
    app.finalize()
    return {
        name: shape_of(app, task)
        for name, task in sorted(app.tasks.items())
        if not name.startswith(FOREIGN)
    }


def shape_of(app: Celery, task: Any) -> Shape:
    """Return the shape of one task."""
    durable = getattr(task, "durable", None)
    return Shape(
        name=task.name,
        parameters=_parameters(task.run),
        queue=_queue(app, task),
        atomic=bool(getattr(task, "atomic", False)),
        durable=get_settings().durable if durable is None else bool(durable),
    )


def misfits(shape: Shape, *, positional: int, keywords: Collection[str]) -> Iterator[Misfit]:
    """Yield why Python would refuse a call with so many positional arguments and these keywords; nothing if it fits."""
    places = shape.places
    given = {place.name for place in places[:positional]}
    by_keyword = {p.name for p in shape.parameters if p.kind in {EITHER, ONLY_KEYWORD}}
    if positional > len(places) and not shape.takes(FURTHER_POSITIONAL):
        yield Misfit(
            f"argument {len(places) + 1}",
            f"{positional} positional arguments are given, {len(places)} are taken",
            KEEP_NAME,
        )
    for name in sorted(keywords):
        if name in by_keyword & given:
            yield Misfit(name, "it is given by position and by name", KEEP_ORDER)
        elif name not in by_keyword and not shape.takes(FURTHER_KEYWORD):
            yield Misfit(name, "it is given, and there is no such parameter", KEEP_NAME)
    for parameter in shape.parameters:
        named = parameter.name in by_keyword and parameter.name in keywords
        if parameter.required and not named and parameter.name not in given:
            yield Misfit(parameter.name, "it is not given, and has no default", GIVE_DEFAULT)


def _parameters(body: Any) -> tuple[Parameter, ...]:
    try:
        found: Sequence[inspect.Parameter] = list(inspect.signature(body).parameters.values())
    except (TypeError, ValueError):  # compiled, and it does not say what it takes: anything may fit
        return (Parameter("args", FURTHER_POSITIONAL), Parameter("kwargs", FURTHER_KEYWORD))
    return tuple(
        Parameter(
            parameter.name,
            parameter.kind.description,
            None if parameter.default is parameter.empty else _reads(parameter.default),
        )
        for parameter in found
    )


def _reads(default: Any) -> str:
    """Write a default so that two runs of the same code write the same."""
    if isinstance(default, Enum):
        return f"{type(default).__name__}.{default.name}"
    if isinstance(default, set | frozenset | tuple | list):
        parts = [_reads(part) for part in default]
        ordered = parts if isinstance(default, tuple | list) else sorted(parts)
        return f"{type(default).__name__}({', '.join(ordered)})"
    if isinstance(default, dict):
        items = ", ".join(f"{_reads(key)}: {_reads(value)}" for key, value in default.items())
        return f"dict({items})"
    if default is None or isinstance(default, bool | int | float | str | bytes):
        return repr(default)
    if callable(default) and hasattr(default, "__qualname__"):
        return f"{default.__module__}.{default.__qualname__}"
    # What it prints may hold an address or the time of day.
    return f"a {type(default).__module__}.{type(default).__qualname__}"


def _queue(app: Celery, task: Any) -> str:
    options = {"queue": task.queue} if getattr(task, "queue", None) else {}
    try:
        routed = app.amqp.router.route(options, task.name, task_type=task).get("queue", "")
    except Exception:  # noqa: BLE001  # a router of the project's own may need arguments to decide
        return ""
    return str(getattr(routed, "name", routed))
