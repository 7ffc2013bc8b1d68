"""Finds the files of a project, and reads those that are no Python: what starts its processes, its libraries."""

from __future__ import annotations

import ast
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.adoption.classes import made_of_it
from holdfast.adoption.facts import Command, Package, Place, Project, Source
from holdfast.adoption.scanning import scan

MOST_FILES = 20_000
MOST_BYTES = 1_000_000
_LEFT_OUT = {
    "node_modules", "site-packages", "__pycache__", "migrations", "tests", "test", "build", "dist", "static", "media",
    "venv", "env", "staticfiles",
}  # fmt: skip
_STARTING = re.compile(
    r"(^Procfile|\.(ya?ml|service|conf|ini|sh|toml)$|^Makefile$|^Dockerfile|^start$|supervisord)"
)
_CELERY = re.compile(r"(?<![\w-])celery\s[^\n]*?(?<![\w-])(worker|beat|flower)\b")
_WORD_OF = {"worker": "worker", "beat": "beat", "flower": "flower"}
_ASKED = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?\s*\(?([=<>!~^][^;#\\)]*)?")
# An option of pip's, as --hash, is no version.
_OPTION = re.compile(r"\s--.*")
_BOUND = re.compile(r"(===?|[~<>!]=|[\^~<>=])\s*v?(\d+(?:\.\d+)*)")
# How a table of TOML says it, within one line: redis = {version = "<3", extras = ["hiredis"]}.
_VERSION = re.compile(r"\s*=\s*\{.*?version\s*=\s*")
_KEPT = {"celery", "kombu", "django", "redis", "holdfast", "vine", "billiard"}


def read(root: Path) -> Project:
    """Read a project from its folder; migrations, tests and what is installed are left out.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    if not root.is_dir():
        raise NotADirectoryError(str(root))
    project = Project(root=root.resolve())
    for path in _paths(project.root):
        name = path.relative_to(project.root).as_posix()
        if path.suffix == ".py":
            _read_python(path, name, project)
        else:
            text = _text(path)
            if _is_requirements(path):
                project.packages += _packages(text, name)
            else:
                project.commands += _commands(text, name)
    project.app_classes = made_of_it(source.tree for source in project.sources)
    for source in project.sources:
        scan(source, project)
    return project


def _paths(root: Path) -> Iterator[Path]:
    found = 0
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if name not in _LEFT_OUT
            and not name.startswith(".")
            and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            path = here / name
            python = name.endswith(".py") and not name.startswith("test_") and name != "conftest.py"
            if python or _STARTING.search(name) or _is_requirements(path):
                found += 1
                if found > MOST_FILES:
                    return
                yield path


def _read_python(path: Path, name: str, project: Project) -> None:
    text = _text(path)
    try:
        project.sources.append(Source(path, name, text, ast.parse(text)))
    except (SyntaxError, ValueError) as error:
        why = getattr(error, "msg", str(error))
        project.unread.append(Place(name, getattr(error, "lineno", 1) or 1, why))


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:MOST_BYTES].decode("utf-8", errors="replace")
    except OSError:
        return ""


def _commands(text: str, name: str) -> Iterator[Command]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#") or (match := _CELERY.search(_plain(line))) is None:
            continue
        kind = _WORD_OF[match[1]]
        yield Command(kind, _words(line), Place(name, number, line.strip()))  # type: ignore[arg-type]


def _plain(line: str) -> str:
    """Return a line with the words of a list beside each other, as a shell would have them."""
    return re.sub(r"""["'],\s*["']""", " ", line)


def _words(line: str) -> tuple[str, ...]:
    bare = _plain(line)
    bare = bare[bare.index("celery") :].strip().rstrip("]'\"")
    try:
        return tuple(shlex.split(bare))
    except ValueError:
        return tuple(bare.split())


# -- libraries -----------------------------------------------------------------------------------------


def _is_requirements(path: Path) -> bool:
    return path.name in {"Pipfile", "pyproject.toml"} or (
        path.suffix in {".txt", ".in"} and "requirements" in f"{path.parent.name}/{path.name}"
    )


def _packages(text: str, name: str) -> Iterator[Package]:
    if name.endswith("pyproject.toml"):
        yield from _of_pyproject(text, name)
    elif name.endswith((".txt", ".in", "Pipfile")):
        for number, line in enumerate(text.splitlines(), start=1):
            if found := _package(line, Place(name, number, line.strip())):
                yield found


def _of_pyproject(text: str, name: str) -> Iterator[Package]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    asked = list(tables.get("project", {}).get("dependencies", []))
    poetry = tables.get("tool", {}).get("poetry", {}).get("dependencies", {})
    asked += [f"{key}{_of_poetry(value)}" for key, value in poetry.items()]
    for one in asked:
        bare = re.split(r"[\s\[=<>!~^]", str(one))[0]
        asks = re.compile(rf"""(^|["']){re.escape(bare)}(["' =<>!~^\[]|$)""")
        line = next((n for n, each in enumerate(text.splitlines(), 1) if asks.search(each)), 1)
        if found := _package(str(one), Place(name, line, text.splitlines()[line - 1].strip())):
            yield found


def _of_poetry(value: Any) -> str:
    said = value.get("version", "") if isinstance(value, dict) else value
    if not isinstance(said, str):
        return ""
    return f"=={said}" if said[:1].isdigit() else said.replace("*", "")


def _package(line: str, place: Place) -> Package | None:
    bare = _OPTION.sub("", _VERSION.sub("", line.replace('"', "").replace("'", "")))
    match = _ASKED.match(bare.replace(" = ", ""))
    if match is None:
        return None
    name = match[1].lower().replace("_", "-")
    if name not in _KEPT and "celery" not in name and "redbeat" not in name:
        return None
    least, below = _bounds(match[3] or "")
    return Package(name, line.strip().strip('",'), place, least, below)


def _bounds(asked: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the version that is asked for at least, and the one that all must be older than, of what is written."""
    least: tuple[int, ...] = ()
    below: tuple[int, ...] = ()
    for sign, digits in _BOUND.findall(asked):
        version = tuple(int(part) for part in digits.split("."))
        if sign.startswith("<"):
            while version[-1:] == (0,) and len(version) > 1:
                version = version[:-1]
            # The last one that may be taken is older than whatever comes after it.
            below = (*version, 1) if sign == "<=" else version
        elif sign != "!=":
            least = least or version
    return least, below
