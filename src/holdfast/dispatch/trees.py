"""Which jobs a result handle stands for: itself, the members of its groups, and the steps before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from celery.result import AsyncResult, ResultSet

Jobs: TypeAlias = "str | AsyncResult[Any] | ResultSet[Any] | Iterable[Any]"


def ids_of(jobs: Jobs) -> list[str]:
    """Return the ids of jobs, given by id, by any result handle of Celery, or as many of these, nested at will.

    A handle brings its parents along: of a chain all steps, of a chord its header. Jobs that a body sent itself are
    no part of it.

    Raises:
        TypeError: one of them is neither an id nor a handle.
    """
    found: dict[str, None] = {}
    seen: set[int] = set()
    left: list[Any] = [jobs]
    while left:
        node = left.pop()
        if isinstance(node, str):
            found[node] = None
            continue
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ResultSet):
            left += [getattr(node, "parent", None), *node.results]
        elif isinstance(node, AsyncResult):
            found[node.id] = None
            left.append(node.parent)
        elif isinstance(node, Iterable):
            left += node
        else:
            raise TypeError(
                f"{node!r} is no job: give ids, result handles (AsyncResult, GroupResult), or lists of them. "
                "A holdfast.Batch has a cancel() of its own."
            )
    return list(reversed(found))
