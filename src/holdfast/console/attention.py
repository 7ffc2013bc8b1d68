"""What needs somebody's attention now: a list of sentences, each with the list behind it.

Others add to it: `register` takes a function that is asked once in a while, by whoever takes a snapshot.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from django.db import Error
from django.utils.translation import gettext_lazy as _

from holdfast.console import links
from holdfast.ledger.reads.queue_reads import Queue
from holdfast.ledger.reads.worker_reads import LiveWorker

logger = logging.getLogger("holdfast.console")


class Severity(IntEnum):
    """How soon somebody should look."""

    CRITICAL = 3
    WARNING = 2
    NOTE = 1

    @property
    def label(self) -> str:
        """Its name, in English and small letters."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that needs attention.

    Attributes:
        message: a sentence, with places for `values` as `%` has them; it is translated when it is shown.
        route: the name of the page behind it, in the namespace `holdfast`; its arguments and its query.
        otherwise: the name of the page in its place, if there is no such one.
    """

    kind: str
    severity: Severity
    message: Any
    values: Mapping[str, Any] = field(default_factory=dict)
    route: str = ""
    arguments: tuple[Any, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)
    otherwise: str = ""

    @property
    def sentence(self) -> str:
        """What is wrong, in the language of whoever looks."""
        return str(self.message) % self.values if self.values else str(self.message)

    @property
    def url(self) -> str:
        """Where the list behind it is; empty if there is none."""
        found = self.route and links.address(self.route, *self.arguments, **self.query)
        return found or (links.address(self.otherwise) if self.otherwise else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the snapshot has read already."""

    now: datetime
    queues: list[Queue]
    workers: list[LiveWorker]


Source = Callable[[Seen], Iterable[Trouble]]


@dataclass(slots=True)
class _Asked:
    source: Source
    every_seconds: float
    next_at: float = float("-inf")
    found: list[Trouble] = field(default_factory=list)


_SOURCES: list[tuple[Source, float]] = []


def register(source: Source, *, every_seconds: float = 30.0) -> None:
    """Have a function asked for troubles, so often at most; what it has found counts until it is asked again.

    It is called in one thread of each web process while somebody watches, so it must not take long. What it raises is
    logged, and shown as a trouble of its own; the database's errors are for the snapshot.
    """
    _SOURCES.append((source, every_seconds))


class Attention:
    """Asks the sources, each when it is due."""

    def __init__(
        self,
        sources: Iterable[tuple[Source, float]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given = None if sources is None else list(sources)
        self._asked: dict[int, _Asked] = {}
        self._monotonic = monotonic

    def look(self, seen: Seen) -> list[Trouble]:
        """Return what is wrong, the worst first."""
        found: list[Trouble] = []
        for place, (source, every) in enumerate(_SOURCES if self._given is None else self._given):
            asked = self._asked.setdefault(place, _Asked(source, every))
            now = self._monotonic()
            if now >= asked.next_at:
                asked.found = self._ask(asked.source, seen)
                asked.next_at = now + asked.every_seconds
            found += asked.found
        return sorted(found, key=lambda trouble: -trouble.severity)

    def _ask(self, source: Source, seen: Seen) -> list[Trouble]:
        try:
            return list(source(seen))
        except Error:
            raise
        except Exception as error:
            name = getattr(source, "__name__", str(source))
            logger.exception("What needs attention cannot be told by %s", name)
            return [
                Trouble(
                    kind="unknown",
                    severity=Severity.WARNING,
                    message=_("%(name)s could not be looked at: %(error)s"),
                    values={"name": name.replace("_", " "), "error": error},
                )
            ]
