"""`tasks.lock`: the shapes as text, one block a task, always in the same order, so that a change is a readable diff."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from holdfast.exceptions import HoldfastError
from holdfast.signatures.shapes import KINDS, Parameter, Shape

NAME = "tasks.lock"
VERSION = 1
_HEAD = f"""\
# What the tasks of this project take and how they run: jobs that wait were called with it.
# Written by `manage.py holdfast signatures --write`. Commit it: a change here is one for waiting jobs too.
version = {VERSION}
"""


class BadLock(HoldfastError):
    """The lock file cannot be read; the message says why and how to make it anew."""


def default_path() -> Path:
    """Return where the project keeps its lock: beside manage.py, by the setting BASE_DIR, else right here."""
    return Path(getattr(django_settings, "BASE_DIR", None) or Path.cwd()) / NAME


def read(path: Path) -> dict[str, Shape]:
    """Return the shapes that were agreed on.

    Raises:
        BadLock: there is no such file, or it is not one that `write` wrote.
    """
    mend = f"Make it with `manage.py holdfast signatures --write --lock {path}` and commit it."
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        if found.get("version") != VERSION:
            raise BadLock(f"{path} is of version {found.get('version')}, not {VERSION}. {mend}")
        return {name: _shape(name, block) for name, block in found.get("tasks", {}).items()}
    except FileNotFoundError:
        raise BadLock(f"There is no {path}. {mend}") from None
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise BadLock(f"{path} cannot be read: {error!r}. {mend}") from error


def write(path: Path, shapes: Mapping[str, Shape]) -> None:
    """Write the shapes; whoever reads meanwhile sees the old file or the new one."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text(shapes), encoding="utf-8")
    beside.replace(path)


def text(shapes: Mapping[str, Shape]) -> str:
    """Return the file's content: the same shapes always give the same text."""
    return "\n".join([_HEAD, *("\n".join(_block(shapes[name])) for name in sorted(shapes))])


def _block(shape: Shape) -> Iterator[str]:
    yield f"[tasks.{_quoted(shape.name)}]"
    yield f"queue = {_quoted(shape.queue)}"
    yield f"atomic = {_quoted(shape.atomic)}"
    yield f"durable = {_quoted(shape.durable)}"
    yield "parameters = ["
    for parameter in shape.parameters:
        default = "" if parameter.default is None else f", default = {_quoted(parameter.default)}"
        named = f"name = {_quoted(parameter.name)}, kind = {_quoted(parameter.kind)}"
        yield f"    {{ {named}{default} }},"
    yield "]"
    yield ""


def _quoted(value: object) -> str:
    # A text of JSON is one of TOML too, but for the one control character that JSON lets pass.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _shape(name: str, block: Mapping[str, Any]) -> Shape:
    parameters = tuple(Parameter(**parameter) for parameter in block["parameters"])
    unknown = {parameter.kind for parameter in parameters} - set(KINDS)
    if unknown:
        raise ValueError(f"{name}: unknown kinds of parameters: {sorted(unknown)}")
    return Shape(
        name=name,
        parameters=parameters,
        queue=block["queue"],
        atomic=block["atomic"],
        durable=block["durable"],
    )
