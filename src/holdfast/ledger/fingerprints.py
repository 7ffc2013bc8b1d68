"""What tells one kind of failure from another: sixteen hex digits that failures with the same cause share.

Lines, values and messages are left out: they differ between two failures of one cause, and between two releases.
"""

from __future__ import annotations

import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import PurePath

DIGITS = 16
_FRAME = re.compile(r'^[ |]*File "(.+)", line \d+, in (.+)$', re.MULTILINE)
_OF_OTHERS = ("site-packages", "dist-packages")


def fingerprint(task: str, kind: str, traceback: str = "") -> str:
    """Return the fingerprint of a dead letter.

    Args:
        task: the task's name.
        kind: the class of the error, or the reason why the job is dead.
        traceback: the text of the traceback; only the frames in the project's own code count.
    """
    parts = [task, kind, *own_frames(traceback)]
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:DIGITS]


def kind_of(exc: BaseException) -> str:
    """Return the class of an error with its module: what failures of one cause have in common."""
    return f"{type(exc).__module__}.{type(exc).__qualname__}"


def own_frames(traceback: str) -> list[str]:
    """Return file and function of the frames in the project's own code, outermost first.

    A function that calls itself stands there once: how deep it went is a value.
    """
    return [frame for frame, _ in groupby(_frames(traceback))]


def _frames(traceback: str) -> Iterator[str]:
    for path, function in _FRAME.findall(traceback):
        if not _is_foreign(path):
            yield f"{_place(path)}:{function}"


@lru_cache(maxsize=4096)
def _is_foreign(path: str) -> bool:
    parts = PurePath(path).parts
    # Code that lies in no file, such as "<frozen importlib>", is nobody's own.
    return (
        path.startswith("<")
        or any(name in parts for name in _OF_OTHERS)
        or any(PurePath(path).is_relative_to(home) for home in _foreign_homes())
    )


@lru_cache(maxsize=1)
def _foreign_homes() -> tuple[str, ...]:
    library = sysconfig.get_paths()
    return (library["stdlib"], library["platstdlib"], str(PurePath(__file__).parents[1]))


@lru_cache(maxsize=4096)
def _place(path: str) -> str:
    """Return a file's path below the folder it is imported from: hosts and releases have different ones."""
    homes = [home for home in sys.path if home and PurePath(path).is_relative_to(home)]
    return str(PurePath(path).relative_to(max(homes, key=len))) if homes else path
