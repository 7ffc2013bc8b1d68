"""Counts what became of jobs in each minute that is over. One worker does it for all.

A minute in which nothing ended costs one statement. Charts can wait: an error here holds up nothing else.
"""

from __future__ import annotations

from datetime import datetime

from holdfast import events
from holdfast.ledger import minutes
from holdfast.ledger.clocks import AHEAD
from holdfast.ledger.minutes import MINUTE, SETTLED

# Minutes that one pass counts at most: the other work of the loop has its turn between them.
MOST = 5
# Least pause: the database's clock and that of this process need not agree on when a minute is over.
PAUSE_SECONDS = 30.0


class MinuteKeeper:
    """Remembers how far minutes are counted, so that those in which nothing ended are looked at once."""

    def __init__(self) -> None:
        self._until: datetime | None = None
        # Whether the last pass counted an end.
        self.has_counted = False

    def begin(self) -> None:
        """Forget how far they are counted: another worker may have gone on since."""
        self._until = None

    def one_pass(self) -> float:
        """Count the next minutes; return the pause until there is one more, in seconds, 0 if more wait now."""
        self.has_counted = False
        until = minutes.counted_until(now=minutes.now()) if self._until is None else self._until
        for _ in range(MOST):
            look = minutes.look(until)
            over = minutes.begin_of(look.now - SETTLED)
            if until > over + MINUTE + AHEAD:
                # The clock was set back: what is counted is known by its new time.
                self._until = None
                return 0.0
            until = self._count(look.ended_at, over=over) or max(until, over)
            self._until = until
            if until >= over:
                left = (over + MINUTE + SETTLED - look.now).total_seconds()
                return max(PAUSE_SECONDS, left)
        return 0.0

    def _count(self, ended_at: datetime | None, *, over: datetime) -> datetime | None:
        """Count the minute of an end, if that is over; return its own end, None if nothing is to be counted."""
        if ended_at is None or ended_at >= over:
            return None
        at = minutes.begin_of(ended_at)
        counted = minutes.ended_between(at, at + MINUTE)
        self.has_counted |= bool(counted)
        if counted and minutes.write(at, counted):
            jobs = sum(tally.ended for tally in counted.values())
            events.minute_counted.send(sender=type(self), at=at, jobs=jobs)
        return at + MINUTE
