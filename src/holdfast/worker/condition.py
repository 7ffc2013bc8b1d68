"""What one worker process knows of its own condition: told to the ledger with its heartbeat, and to its supervisor."""

from __future__ import annotations

import time
from collections.abc import Callable

from holdfast.ledger.workers import Consuming


class Condition:
    """Each field has one thread that writes it; moments by the monotonic clock."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.heard_at: float | None = None
        self.stalled_since: float | None = None
        self.asked_database_at = monotonic()
        self.database_reached = False

    def database(self, *, reached: bool) -> None:
        """Note that the heartbeat has asked the database, and whether that answered; either way it does not hang."""
        self.asked_database_at = self._monotonic()
        self.database_reached = reached

    def told(self) -> Consuming:
        """Return what the ledger is told."""
        return Consuming(self._ago(self.heard_at), self._ago(self.stalled_since))

    def _ago(self, moment: float | None) -> float | None:
        return None if moment is None else self._monotonic() - moment
