"""By which names a file calls Celery's class, whether it imports it under another one or makes one of its own of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CELERY = "Celery"
_FROM = {"celery", "celery.app", "celery.app.base", "holdfast"}
_MODULES = {"celery", "holdfast"}


@dataclass(frozen=True, slots=True)
class Names:
    """What stands for Celery's class in one file."""

    classes: frozenset[str]
    """Names that were imported for it: `Celery`, or what follows `as`."""
    modules: frozenset[str]
    """Names of the package that has it: `celery`."""

    def hold(self, node: ast.expr) -> bool:
        """Tell whether an expression is the class itself."""
        if isinstance(node, ast.Attribute):
            return node.attr == CELERY and _id(node.value) in self.modules
        return _id(node) in self.classes


def names_in(tree: ast.Module) -> Names:
    """Return the names of a file, wherever in it something is imported."""
    classes, modules = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in _FROM and not node.level:
            classes |= {one.asname or one.name for one in node.names if one.name == CELERY}
        elif isinstance(node, ast.Import):
            modules |= {one.asname or one.name for one in node.names if one.name in _MODULES}
    return Names(frozenset(classes), frozenset(modules))


def made_of_it(trees: Iterable[ast.Module]) -> set[str]:
    """Return the names of a project's own classes that are made of Celery's, or of one another."""
    bases: dict[str, set[str]] = {}
    found: set[str] = set()
    for tree in trees:
        names = names_in(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                if any(map(names.hold, node.bases)):
                    found.add(node.name)
                bases.setdefault(node.name, set()).update(map(_last, node.bases))
    while more := {name for name, below in bases.items() if below & found} - found:
        found |= more
    return found


def mentions(tree: ast.Module, names: Names) -> Iterator[ast.Name]:
    """Yield the name of the package wherever its class is asked of it, as `celery` in `celery.Celery`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and names.hold(node)
            and isinstance(node.value, ast.Name)
        ):
            yield node.value


def _id(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else _id(node)
