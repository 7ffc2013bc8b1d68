"""Whether this worker may judge others: only with its own heartbeats unbroken and the clocks in step."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from holdfast.conf import get_settings
from holdfast.ledger.clocks import AHEAD_SECONDS

CLOCK_STEP_SECONDS = AHEAD_SECONDS
# In beats. A lease is two and a half, and the others may have beaten one beat before this worker: while nobody
# could write, theirs has not run out before one and a half.
GAP = 1.8
HINDERED_GAP = 1.4


class Pulse:
    """Remembers this worker's own beats.

    After a database outage, a stepped clock or a frozen process every lease looks run out. Who has not
    beaten for a whole lease without a gap gives the others the time to renew first.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._steady_since: float | None = None
        self._last: tuple[float, datetime] | None = None
        self._hindered = False
        self._heard: tuple[float, datetime] | None = None
        self.was_set_back = False
        """Whether a beat has found the database's clock set back; until somebody has seen to it."""

    def beat(self, database_now: datetime) -> None:
        """Note a renewal that succeeded, with the database's clock at it."""
        now = self._monotonic()
        if self._last is None or self._gap(now) or self._stepped(now, database_now):
            self._steady_since = now
        self._last = (now, database_now)
        self._hindered = False
        # Also over a gap: the database may be another host's since.
        if self._heard is not None and _step(self._heard, self._last) < -CLOCK_STEP_SECONDS:
            self.was_set_back = True
        self._heard = self._last

    def hinder(self) -> None:
        """Note a renewal that found SQLite's writer busy: nobody could renew, so a smaller gap counts."""
        self._hindered = True

    def skip(self) -> None:
        """Note a renewal that failed: the steadiness starts anew."""
        self._steady_since = None
        self._last = None

    def why_not(self, database_now: datetime) -> str:
        """Return why this worker may not judge now; empty if it may."""
        now = self._monotonic()
        lease = get_settings().lease_seconds
        if self._last is None or self._steady_since is None or self._gap(now):
            return "its own heartbeat has a gap"
        if self._stepped(now, database_now):
            self._steady_since = now
            self._last = (now, database_now)
            return "the database's clock was set"
        if now - self._steady_since < lease:
            return "it has not beaten for a whole lease yet"
        return ""

    @property
    def steady_seconds(self) -> float:
        """For how long this worker has beaten without a gap, and found the clocks in step."""
        return 0.0 if self._steady_since is None else self._monotonic() - self._steady_since

    def _gap(self, now: float) -> bool:
        assert self._last is not None
        longest = HINDERED_GAP if self._hindered else GAP
        return now - self._last[0] > get_settings().beat_seconds * longest

    def _stepped(self, now: float, database_now: datetime) -> bool:
        assert self._last is not None
        return abs(_step(self._last, (now, database_now))) > CLOCK_STEP_SECONDS


def _step(before: tuple[float, datetime], after: tuple[float, datetime]) -> float:
    """Return by how many seconds the database's clock went more than ours."""
    return (after[1] - before[1]).total_seconds() - (after[0] - before[0])
