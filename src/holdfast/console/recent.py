"""The ends of the last minutes, as one web process has seen them: each job is read once, whoever watches.

Ends are counted a second after their time, so that those which are just being committed are there. Those that come
later still are in no slice; the minute that is counted for all, some seconds after its end, has them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from holdfast.ledger import minutes, tallies
from holdfast.ledger.minutes import MINUTE
from holdfast.ledger.reads.rates import TAIL, Tail
from holdfast.ledger.tallies import Tallies, Tally

LAG = timedelta(seconds=1)


class Recent:
    """Slices of time, each with what ended in it, from the first minute that is not counted for all until now."""

    def __init__(
        self, count: Callable[[datetime, datetime], Tallies] = minutes.ended_between
    ) -> None:
        self._count = count
        self._slices: deque[tuple[datetime, datetime, Tallies]] = deque()

    def go_on(self, now: datetime) -> None:
        """Count what ended since the last time; from the beginning, where that is long ago or the clock was set."""
        until = now - LAG
        since = self._slices[-1][1] if self._slices else None
        if since is None or not since <= until <= since + MINUTE:
            self._slices.clear()
            counted = minutes.counted_until(now=now)
            since = max(min(counted, until - MINUTE), until - TAIL)
        while since < until:
            # No slice lies in two minutes, and the last minute is told apart from what was before.
            ends = (minutes.begin_of(since) + MINUTE, until - MINUTE, until)
            end = min(each for each in ends if each > since)
            self._slices.append((since, end, self._count(since, end)))
            since = end
        while self._slices[0][1] <= until - TAIL:
            self._slices.popleft()

    def last_minute(self) -> tuple[Tally, float]:
        """Return what ended in the last minute, and how many seconds that is."""
        until = self._slices[-1][1]
        found = [each for each in self._slices if each[0] >= until - MINUTE]
        counted = tallies.total(tally for *_, part in found for tally in part.values())
        return counted, sum(((end - since).total_seconds() for since, end, _ in found), 0.0)

    def by_queue(self) -> dict[str, Tally]:
        """Return what ended in the last minute in each queue."""
        until = self._slices[-1][1]
        found: dict[str, Tally] = {}
        for since, _, part in self._slices:
            if since >= until - MINUTE:
                for (_, queue), tally in part.items():
                    found.setdefault(queue, Tally()).add(tally)
        return found

    def tail(self, *, counted_until: datetime) -> Tail:
        """Return what ended since the last minute that was counted for all."""
        parts = [(since, part) for since, _, part in self._slices if since >= counted_until]
        return Tail(since=counted_until, until=self._slices[-1][1], parts=parts)
