"""Where tracing plugs in: calls, publications and attempts tell whoever is set here. None: nobody is told, at no cost.

`holdfast.telemetry` sets it. A span ends in a `finally`, where it sees the error that leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from holdfast.tickets import Ticket


class Span(Protocol):
    """Something that has begun and will be over."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that a message takes along, so that what runs it knows where it came from."""

    def end(self) -> None:
        """It is over; the error that is on its way, if there is one, is its end. Never raises."""


class By(StrEnum):
    """What has ended an attempt that nobody is left to tell of."""

    LOSS = "lost"
    TIME_LIMIT = "time limit"
    CANCEL = "cancel"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """An attempt that nobody is left to tell of; its moments are the database's."""

    job: str
    task: str
    queue: str
    attempt: int
    headers: Mapping[str, Any]
    """Of its job, as they are recorded."""
    worker: str
    """The name of the worker it was claimed by; empty if that is forgotten."""
    began_at: datetime
    """When it was claimed."""
    ended_at: datetime
    """When it was given up."""
    cause: str
    by: By = By.LOSS


class Tracer(Protocol):
    """Who is told. None of its methods raises."""

    @property
    def fields(self) -> frozenset[str]:
        """Names of the headers that calls take along."""

    def sending(self, task: str, queue: str) -> Span:
        """Begin a call, or many of one kind."""

    def putting_back(self) -> Mapping[str, str]:
        """Return headers that tell the next attempt of a job of the one that runs here."""

    def publishing(self, tickets: Sequence[Ticket]) -> Span | None:
        """Begin to put tickets on the broker; None if that is nobody's business."""

    def running(self, task: Any, request: Any) -> Span:
        """Begin an attempt; what its body does is its child."""

    def losing(self, lost: Lost) -> Span | None:
        """Begin the span of an attempt in place of the process that ran it; it ends when its loss is committed.

        Its headers tell the next attempt of it.
        """

    def flush(self) -> None:
        """Send what has been told by now, for this process ends without what Python does at its exit."""

    def joining(self, members: Iterable[str]) -> AbstractContextManager[None]:
        """Let what is sent inside be set off by jobs with these stored headers: the members of a chord."""


tracer: Tracer | None = None
