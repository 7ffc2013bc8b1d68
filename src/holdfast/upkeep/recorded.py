"""Counts the calls that were recorded, by the time in their ids. One worker does it for all, once or twice a minute.

Where nothing is under way, and nothing was called or ended of late, it looks every third minute, with one statement.
Nothing but metrics reads it: an error here holds up nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from holdfast.ledger import totals
from holdfast.ledger.totals import LATE, MINUTE

# Minutes that one pass counts at most: the other work of the loop has its turn between them.
MOST = 5
IDLE_SECONDS = 180.0


class RecordedKeeper:
    """Remembers how far calls are counted, so that times in which none were made are looked at once."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._idle_until = float("-inf")
        self._written: datetime | None = None
        self._since: datetime

    def begin(self) -> None:
        """Forget how far they are counted: another worker may have gone on since."""
        self._written = None
        self._idle_until = float("-inf")

    def one_pass(self, *, quiet: bool = False) -> bool:
        """Count the calls of some minutes; return whether there are more to count now.

        Args:
            quiet: whether nothing is under way or has just ended: then a look that finds no call, not even one that
                cannot be counted yet, is good for some minutes.
        """
        now = self._monotonic()
        if quiet and now < self._idle_until:
            return False
        self._idle_until = float("-inf")
        for turn in range(MOST):
            if self._written is None:
                self._written = self._since = totals.begin_recorded()
            until, first = totals.next_recorded(self._since)
            if self._since > until + LATE:
                # The clock was set back: what comes now is counted by its new time.
                self._since = until
                return False
            if first is None or first >= until:
                self._since = max(self._since, until)
                if first is None and not turn:
                    self._idle_until = now + IDLE_SECONDS
                return False
            end = min(until, first + MINUTE)
            if totals.count_recorded(self._since, end, before=self._written) is None:
                self.begin()
                continue
            self._written = self._since = end
        return True
