"""Reads the parts, each at most every few seconds for all who ask, and goes on where one cannot be read."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence

from holdfast.ledger.connections.watchdog import answer_within, connect_within
from holdfast.ledger.database import close_connection, connection, in_transaction, is_passing
from holdfast.metrics import contract
from holdfast.metrics.parts import PARTS, Part
from holdfast.metrics.readings import Reading, reading

logger = logging.getLogger("holdfast.metrics")
# A database that is silent for so long counts as away.
ANSWER_SECONDS = 10.0
CONNECT_SECONDS = 3


class Numbers:
    """What was read last, and when; one thread reads at a time, and those who come meanwhile get the same."""

    def __init__(
        self, parts: Sequence[Part] = PARTS, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = parts
        self._monotonic = monotonic
        self.begin()

    def begin(self) -> None:
        """Begin with nothing: a child has maybe a lock that nobody frees."""
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, list[Reading]]] = {}
        self._seconds: dict[str, float] = {}
        self._away_at = float("-inf")

    def readings(self) -> list[Reading]:
        """Return the numbers of all parts; of a part that cannot be read there is none but that it cannot.

        What is old is not told in its place: it would look like the present. Once the database does not answer it is
        not asked again this time, nor for those who came while it was waited for: a silent one would hold up each.
        """
        came = self._monotonic()
        with self._lock:
            if not in_transaction():
                connection().close_if_unusable_or_obsolete()
            found: list[Reading] = []
            answers = self._away_at <= came
            for part in self._parts:
                read = None
                if answers or not part.asks_database:
                    read, passing = self._of(part)
                    if passing and part.asks_database:
                        answers, self._away_at = False, self._monotonic()
                found += read or []
                seconds = self._seconds.get(part.name, 0.0)
                found.append(reading(contract.PART_UP, read is not None, part.name))
                found.append(reading(contract.PART_SECONDS, seconds, part.name))
            return [*found, reading(contract.DATABASE_UP, answers)]

    def _of(self, part: Part) -> tuple[list[Reading] | None, bool]:
        """Return what there is of a part, and whether it is the database that does not answer."""
        now = self._monotonic()
        at, kept = self._kept.get(part.name, (float("-inf"), []))
        if now - at < part.seconds:
            return kept, False
        began = time.perf_counter()
        try:
            if part.asks_database:
                connect_within(CONNECT_SECONDS)
            with answer_within(ANSWER_SECONDS):
                found = list(part.read())
        except Exception as error:
            passing = is_passing(error)
            if passing:
                logger.warning("Metrics: %s cannot be read (%s)", part.name, error)
            else:
                logger.exception("Metrics: %s cannot be read", part.name)
            if part.asks_database and not in_transaction():
                close_connection()
            return None, passing
        finally:
            self._seconds[part.name] = time.perf_counter() - began
        self._kept[part.name] = (now, found)
        return found, False


numbers = Numbers()
os.register_at_fork(after_in_child=numbers.begin)
