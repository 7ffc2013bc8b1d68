"""The counter: counts failed attempts by their cause, behind those who fail. One worker does it for all."""

from __future__ import annotations

import time
from collections.abc import Callable

from holdfast.ledger import failures

BATCH = 500
# Then the other work of the loop has its turn.
BUDGET_SECONDS = 0.25


class Counter:
    """Counts batch by batch, each in a transaction of its own."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic

    def one_pass(self) -> int:
        """Count for a quarter of a second at most; return how many were counted."""
        begun, total = self._monotonic(), 0
        while counted := failures.count(limit=BATCH):
            total += counted
            if counted < BATCH or self._monotonic() - begun > BUDGET_SECONDS:
                break
        return total
