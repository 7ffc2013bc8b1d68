"""The project's own source files, read and not run: which tasks they make, and where they wait for results."""

from __future__ import annotations

import ast
import site
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_FILES = 5_000
_SENDING = {"delay", "apply_async", "delay_on_commit", "apply_async_on_commit"}
_MAKING = {"shared_task", "task"}


@dataclass(frozen=True, slots=True)
class Source:
    """One file of an app of the project."""

    path: Path
    module: str
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class Wait:
    """A get() on what a call has returned."""

    line: int
    task: str
    """The name of the task as it is written there."""
    function: str
    """The outermost function that the line is in; empty outside of one."""


def of_apps(*, seconds: float) -> Iterator[Source]:
    """Yield the files of those apps in INSTALLED_APPS that are no installed packages, for so many seconds at most.

    Migrations and tests are left out, and what Python cannot parse.
    """
    from django.apps import apps

    until = time.monotonic() + seconds * 0.8
    installed = [Path(path).resolve() for path in _installed()]
    seen: set[Path] = set()
    for config in apps.get_app_configs():
        root = Path(config.path).resolve()
        if config.name.split(".")[0] == "holdfast" or any(
            root.is_relative_to(one) for one in installed
        ):
            continue
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).parts
            if (
                path in seen
                or {"migrations", "tests"} & set(parts)
                or path.name.startswith("test_")
            ):
                continue
            seen.add(path)
            if len(seen) > MOST_FILES or time.monotonic() > until:
                return
            module = ".".join([config.name, *parts]).removesuffix(".py").removesuffix(".__init__")
            try:
                yield Source(path, module, ast.parse(path.read_text(encoding="utf-8")))
            except (OSError, SyntaxError, ValueError):
                continue


def tasks_made_in(source: Source) -> list[str]:
    """Return the functions of a file that a decorator of Celery's makes a task."""
    return [
        node.name
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(_last_name(decorator) in _MAKING for decorator in node.decorator_list)
    ]


def waits_in(source: Source) -> Iterator[Wait]:
    """Yield each get() on a call of a task: written in one expression, or by a name within one function."""
    for top in source.tree.body:
        function = top.name if isinstance(top, ast.FunctionDef | ast.AsyncFunctionDef) else ""
        sent: dict[str, str] = {}
        for node in ast.walk(top):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target, task = node.targets[0], _task_sent_by(node.value)
                if isinstance(target, ast.Name) and task:
                    sent[target.id] = task
        for node in ast.walk(top):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr != "get":
                continue
            on = node.func.value
            task = _task_sent_by(on) or (sent.get(on.id, "") if isinstance(on, ast.Name) else "")
            if task:
                yield Wait(node.lineno, task, function)


def _task_sent_by(node: ast.expr) -> str:
    """Return the name of the task that a call like `charge.delay(1)` sends; empty if it is no such call."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return ""
    return _last_name(node.func.value) if node.func.attr in _SENDING else ""


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _installed() -> set[str]:
    paths = sysconfig.get_paths()
    return {paths[name] for name in ("stdlib", "purelib", "platlib")} | set(site.getsitepackages())
