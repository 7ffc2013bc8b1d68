"""Reads the pages of this repository: their links, headings, examples and the names they use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SKIPPED = {"var", "dist", "build", "node_modules"}
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_TEST = re.compile(r"`(?:[\w/.]+::)?(?:\w+::)?(test_[a-z0-9_]+)(?:\[[^`]*\])?`")
_PATH = re.compile(r"`((?:src|tests|docs|jost|benchmarks)/[\w./-]+)`")


def pages() -> list[Path]:
    """Return every Markdown page of the repository."""
    found = [
        page
        for page in ROOT.rglob("*.md")
        if not any(
            part.startswith(".") or part in _SKIPPED for part in page.relative_to(ROOT).parts[:-1]
        )
    ]
    return sorted(found)


def name(page: Path) -> str:
    """Return a page's path inside the repository."""
    return page.relative_to(ROOT).as_posix()


def examples(page: Path, *, language: str) -> list[str]:
    """Return the code blocks of one language, without the indent of the list they stand in."""
    found = []
    for indent, said, code in _FENCE.findall(page.read_text()):
        if said == language:
            found.append("\n".join(line.removeprefix(indent) for line in code.splitlines()) + "\n")
    return found


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures, except addresses of other sites."""
    targets = _LINK.findall(_prose(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ +(.+?) *$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named_tests(page: Path) -> set[str]:
    """Return the names of tests a page refers to."""
    return set(_TEST.findall(_prose(page)))


def paths_named(page: Path) -> set[str]:
    """Return the paths of files a page refers to."""
    return {path.rstrip(".") for path in _PATH.findall(_prose(page))}


@lru_cache(maxsize=1)
def existing_tests() -> frozenset[str]:
    """Return the names of all test functions, read without running anything."""
    return frozenset(_test_names())


def _test_names() -> Iterator[str]:
    for file in chain((ROOT / "tests").rglob("test_*.py"), (ROOT / "jost").rglob("test_*.py")):
        yield file.stem
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())
