"""What is known of a project, and where it stands in its files; plain data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


class _Unknown:
    """A value that only running the project would tell."""

    def __repr__(self) -> str:
        return "?"

    def __bool__(self) -> bool:
        return False


UNKNOWN = _Unknown()


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file, named relative to the project."""

    file: str
    line: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    def place(self, node: ast.AST) -> Place:
        """Return where a node stands."""
        line = getattr(node, "lineno", 1)
        return Place(self.name, line, self.text.splitlines()[line - 1].strip())


@dataclass(frozen=True, slots=True)
class Setting:
    """An assignment of a setting."""

    key: str
    """Celery's name of today, such as `task_acks_late`; of Django's and others' the name as it is written."""
    name: str
    value: Any
    place: Place
    hint: str = ""
    """A text in an expression that is not known, such as the default of an environment variable."""


@dataclass(frozen=True, slots=True)
class Task:
    """A function or class that Celery makes a task."""

    name: str
    options: dict[str, Any]
    base: str
    place: Place


@dataclass(frozen=True, slots=True)
class Call:
    """Something that is done to tasks, jobs or workers, by its kind."""

    kind: str
    place: Place
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line that starts a process of Celery's, in a file that is no Python."""

    kind: Literal["worker", "beat", "flower", "celery"]
    words: tuple[str, ...]
    place: Place

    def option(self, *names: str) -> str:
        """Return the value of an option; empty if it is not given."""
        for at, word in enumerate(self.words):
            for name in names:
                if word.startswith(f"{name}="):
                    return word.partition("=")[2]
                if word == name and at + 1 < len(self.words):
                    return self.words[at + 1]
                if len(name) == 2 and word.startswith(name) and len(word) > 2:
                    return word[2:]
        return ""


@dataclass(frozen=True, slots=True)
class Package:
    """A library that the project asks for."""

    name: str
    asked: str
    """As it is written, such as `celery[redis]==5.4.0`."""
    place: Place
    least: tuple[int, ...] = ()
    """The version, as far as it can be read."""
    below: tuple[int, ...] = ()
    """The version that every one which may be taken is older than; empty: any newer one may be."""


@dataclass(slots=True)
class Project:
    """All of it."""

    root: Path
    sources: list[Source] = field(default_factory=list)
    unread: list[Place] = field(default_factory=list)
    """Python files that cannot be parsed."""
    apps: list[Call] = field(default_factory=list)
    """Where a Celery app is made; the detail is its name."""
    app_classes: set[str] = field(default_factory=set)
    """Names of its own classes that are made of Celery's."""
    settings: list[Setting] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    packages: list[Package] = field(default_factory=list)

    def of(self, *keys: str) -> list[Setting]:
        """Return the assignments of some settings."""
        return [setting for setting in self.settings if setting.key in keys]

    def places(self, *kinds: str) -> list[Place]:
        """Return where something of some kinds is done."""
        return sorted(call.place for call in self.calls if call.kind in kinds)

    def with_option(self, *names: str) -> Iterator[tuple[Task, Any]]:
        """Yield the tasks that have one of these options on, and its value."""
        for task in self.tasks:
            for name in names:
                if name in task.options and (value := task.options[name]) not in (False, None):
                    yield task, value

    def package(self, name: str) -> Package | None:
        """Return what is asked of a library."""
        return next((one for one in self.packages if one.name == name), None)

    def installed(self, app: str) -> bool:
        """Tell whether an app stands in a list of apps."""
        return any(
            app in setting.value
            for setting in self.settings
            if setting.key.endswith("APPS") and isinstance(setting.value, list | tuple)
        )
