"""What the code inside an attempt must know of it: whose it is, what its job hands on, who does its ledger work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from holdfast.ledger.records import Hold
from holdfast.tickets import COUNTED, FORMER, HEADER, RULES

PATIENCE_SECONDS = 20.0
# Custom headers that the jobs recorded inside inherit unless they bring their own.
_inherited: ContextVar[Mapping[str, Any]] = ContextVar(
    "holdfast_inherited", default=MappingProxyType({})
)
# Who does the ledger work of an event loop; None: whoever asks for it.
_submit: ContextVar[Callable[[Callable[[], None]], None] | None] = ContextVar(
    "holdfast_submit", default=None
)
# The batch whose members the calls made here become; None: none.
_batch: ContextVar[str | None] = ContextVar("holdfast_batch", default=None)
# Whether the words of an encrypted job are on their way to others.
_secret: ContextVar[bool] = ContextVar("holdfast_secret", default=False)
# The attempt whose body runs here; None outside of all bodies.
_attempt: ContextVar[Hold | None] = ContextVar("holdfast_attempt", default=None)
# Others wait, by its id, for what is recorded now.
_awaited: ContextVar[bool] = ContextVar("holdfast_awaited", default=False)
# What features keep in mind while that attempt lasts.
_memory: ContextVar[dict[str, Any] | None] = ContextVar("holdfast_memory", default=None)


@contextmanager
def inheriting(headers: Mapping[str, Any] | None) -> Iterator[None]:
    """Let every job recorded inside inherit these custom headers."""
    own = {HEADER, RULES, COUNTED, FORMER}
    reset = _inherited.set({k: v for k, v in (headers or {}).items() if k not in own})
    try:
        yield
    finally:
        _inherited.reset(reset)


def is_bare() -> bool:
    """Tell whether a job recorded now inherits no headers and joins no batch, as most do."""
    return not _inherited.get() and _batch.get() is None


def inherited_headers() -> Mapping[str, Any]:
    """Return the custom headers a job recorded now inherits."""
    return _inherited.get()


@contextmanager
def awaiting() -> Iterator[None]:
    """Let others wait, by their ids, for the jobs recorded inside: no other job may stand for one of them."""
    reset = _awaited.set(True)
    try:
        yield
    finally:
        _awaited.reset(reset)


def is_awaited() -> bool:
    """Tell whether others wait, by its id, for a job recorded now."""
    return _awaited.get()


@contextmanager
def telling_secrets(*, secret: bool) -> Iterator[None]:
    """Let what is stored and sent inside be encrypted: it tells of the failure of a job that is."""
    reset = _secret.set(secret or _secret.get())
    try:
        yield
    finally:
        _secret.reset(reset)


def is_telling_secrets() -> bool:
    """Tell whether what is stored now has words of a job that is encrypted."""
    return _secret.get()


@contextmanager
def leaving_it_to(submit: Callable[[Callable[[], None]], None]) -> Iterator[None]:
    """Give ledger work inside to somebody else: an event loop must not wait for a database."""
    reset = _submit.set(submit)
    try:
        yield
    finally:
        _submit.reset(reset)


def leave(work: Callable[[], None]) -> bool:
    """Leave ledger work to whoever does it for this event loop; False: do it yourself."""
    submit = _submit.get()
    if submit is not None:
        submit(work)
    return submit is not None


def patience_seconds() -> float:
    """Return how long the end of an attempt may wait for a database that is away."""
    return PATIENCE_SECONDS


class running:  # noqa: N801  # reads as the functions beside it; a generator costs each job twice as much
    """Let the code inside know whose attempt it is part of, and what else is known of it."""

    __slots__ = ("_forget", "_hold", "_known", "_reset")

    def __init__(self, hold: Hold, known: dict[str, Any] | None = None) -> None:
        self._hold, self._known = hold, {} if known is None else known

    def __enter__(self) -> None:
        self._reset, self._forget = _attempt.set(self._hold), _memory.set(self._known)

    def __exit__(self, *_: object) -> None:
        _attempt.reset(self._reset)
        _memory.reset(self._forget)


@contextmanager
def sending_into(batch_id: str | None) -> Iterator[None]:
    """Let every job recorded inside be a member of this batch; of none, with None."""
    reset = _batch.set(batch_id)
    try:
        yield
    finally:
        _batch.reset(reset)


def batch_to_join() -> str | None:
    """Return the batch a job recorded now becomes a member of, if the code around says one."""
    return _batch.get()


def current_hold() -> Hold | None:
    """Return the attempt whose body runs here; a thread the body started itself is not part of it."""
    return _attempt.get()


def memory() -> dict[str, Any]:
    """Return what features keep in mind of the attempt whose body runs here; forgotten with it."""
    found = _memory.get()
    return {} if found is None else found
