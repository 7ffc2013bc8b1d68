"""What a job hands on to its successors, and how the attempt that runs is known to the code around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from holdfast.tickets import HEADER

# Custom headers that the jobs recorded inside inherit unless they bring their own.
_inherited: ContextVar[Mapping[str, Any]] = ContextVar(
    "holdfast_inherited", default=MappingProxyType({})
)
# How long ledger work of the current thread may wait for the database.
_patience: ContextVar[float] = ContextVar("holdfast_patience", default=20.0)


@contextmanager
def inheriting(headers: Mapping[str, Any] | None) -> Iterator[None]:
    """Let every job recorded inside inherit these custom headers."""
    reset = _inherited.set({key: value for key, value in (headers or {}).items() if key != HEADER})
    try:
        yield
    finally:
        _inherited.reset(reset)


def inherited_headers() -> Mapping[str, Any]:
    """Return the custom headers a job recorded now inherits."""
    return _inherited.get()


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Bound how long ledger work inside waits for the database: short where an event loop waits for it."""
    reset = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(reset)


def patience_seconds() -> float:
    """Return how long ledger work may wait for the database here."""
    return _patience.get()
