"""Which request everything is part of: an id that calls take along as a header, and that what they send on keeps.

It comes with a request (`holdfast.logs.CorrelationMiddleware`, or django-guid where that is installed), with a job, or
from a block of the project: `with holdfast.logs.correlated("import-7"): ...`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token

# The header that carries the id, and the one by which a call may name it itself. Celery takes the second for a property
# of its own, which attempts and successors do not get.
CORRELATION = "holdfast_correlation"
SAID = "correlation_id"
_current: ContextVar[str] = ContextVar("holdfast_correlation", default="")
# Asked where nothing was said here: django-guid, which keeps the id of a request by itself.
foreign: Callable[[], str | None] | None = None
# Told of the id of a job that begins, and of "" where it has ended, so that foreign log filters show it.
tell_foreign: Callable[[str], None] | None = None


def correlation_id() -> str:
    """Return the id of the request that the code here is part of; empty if nobody has said one."""
    found = _current.get()
    if not found and foreign is not None:
        return str(foreign() or "")
    return found


class correlated:  # noqa: N801  # reads as a function; a generator costs each job twice as much
    """Let all that is sent and logged inside belong to this id."""

    __slots__ = ("_id", "_reset")
    _reset: Token[str]

    def __init__(self, id: str) -> None:
        self._id = str(id)

    def __enter__(self) -> None:
        self._reset = _current.set(self._id)
        if tell_foreign is not None:
            tell_foreign(self._id)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._reset)
        if tell_foreign is not None:
            tell_foreign(_current.get())
