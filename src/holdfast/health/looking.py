"""One look for all who ask within a second, in a thread of its own: whoever asks waits for a bounded time only."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from django.db import ProgrammingError

from holdfast.health.facts import ASK_DATABASE, BACKLOG, DATABASE, MIGRATIONS, PARTS, Fact, silent
from holdfast.ledger.database import close_connection

logger = logging.getLogger("holdfast.health")
KEPT_SECONDS = 1.0
PATIENCE_SECONDS = 3.0
# Migrations of a process's code do not change, and those of a database rarely go.
MIGRATED_SECONDS = 60.0


class Looker:
    """Looks at the parts, one thread at a time; one that hangs is waited for, and no second one is started."""

    def __init__(
        self,
        parts: Mapping[str, Callable[[], Fact]] = PARTS,
        *,
        patience: float = PATIENCE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._patience = patience
        self._monotonic = monotonic
        self.begin()

    def begin(self) -> None:
        """Begin with nothing: a child has not the thread, and maybe a lock that nobody frees."""
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._done.set()
        self._began = self._ended = float("-inf")
        self._found: dict[str, Fact] = {}
        self._migrated: tuple[float, Fact] | None = None

    def facts(self) -> dict[str, Fact]:
        """Return what was found of each part within the last second, or is found now."""
        with self._lock:
            now = self._monotonic()
            if self._done.is_set() and now - self._ended >= KEPT_SECONDS:
                self._done.clear()
                self._found, self._began = {}, now
                threading.Thread(target=self._look, name="holdfast-health", daemon=True).start()
            left, done, found = self._began + self._patience - now, self._done, self._found
        done.wait(max(0.0, left))
        return {name: found.get(name) or silent(part=name) for name in self._parts}

    def _look(self) -> None:
        found = self._found
        try:
            for name, part in self._parts.items():
                if name in ASK_DATABASE and DATABASE in found and not found[DATABASE].well:
                    found[name] = Fact(part=name, well=False, says="not known without the database")
                elif name == MIGRATIONS:
                    found[name] = self._migrations(part)
                else:
                    found[name] = _fact(name, part)
            self._doubt(found)
        finally:
            close_connection()
            self._ended = self._monotonic()
            self._done.set()

    def _migrations(self, part: Callable[[], Fact]) -> Fact:
        now = self._monotonic()
        if self._migrated is not None and now - self._migrated[0] < MIGRATED_SECONDS:
            return self._migrated[1]
        fact = _fact(MIGRATIONS, part)
        self._migrated = (now, fact) if fact.well else None
        return fact

    def _doubt(self, found: dict[str, Fact]) -> None:
        """Ask after the migrations again if the backlog has no table: this is another database than it was."""
        kept = self._migrated
        if (
            kept is not None
            and found.get(MIGRATIONS) is kept[1]
            and _has_no_table(found.get(BACKLOG))
        ):
            self._migrated = None
            found[MIGRATIONS] = self._migrations(self._parts[MIGRATIONS])


def _has_no_table(backlog: Fact | None) -> bool:
    error = backlog.error if backlog is not None else None
    # SQLite has no class of its own for it.
    return isinstance(error, ProgrammingError) or "no such" in str(error or "")


def _fact(name: str, part: Callable[[], Fact]) -> Fact:
    try:
        return part()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is not well
        logger.warning("Health: the part %s does not answer (%s)", name, error)
        return silent(part=name, detail=str(error).strip(), error=error)


looker = Looker()
os.register_at_fork(after_in_child=looker.begin)
