"""How many slots a worker should have, and how many workers a queue, by what waits and for how long; asks nobody.

Up at once, down slowly: what was missed on the way up makes jobs wait, on the way down it costs a little memory.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from holdfast.conf import get_settings
from holdfast.ledger.reads.queue_reads import Queue

Levels = tuple[tuple[int, int], ...]


def levels(*, least: int, most: int) -> Levels:
    """Return (jobs, slots), smallest first: a level is for more jobs than it names, the first one for fewer.

    Those of HOLDFAST["autoscale_levels"] within the bounds. Without it the lower bound below 10 jobs, half of the upper
    one above 100, and all of it above 500.
    """
    stated = get_settings().autoscale_levels
    if stated is None:
        stated = ((10, least), (100, math.ceil(most / 2)), (500, most))
    return tuple((int(jobs), min(max(int(slots), least), most)) for jobs, slots in stated)


class Scale:
    """The level of one worker, as one look after the other is heard."""

    def __init__(
        self, *, least: int, most: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._at = 0
        self._low_since: float | None = None
        self._raised_at = float("-inf")
        self.bind(least=least, most=most)

    def bind(self, *, least: int, most: int) -> None:
        """Stay within other bounds from now on."""
        self._levels = levels(least=least, most=most)

    @property
    def slots(self) -> int:
        """How many slots there should be."""
        return self._levels[self._at][1]

    @property
    def enough(self) -> int:
        """How far to count: more jobs than that make no difference."""
        return self._levels[-1][0] + 1

    def heard(self, waiting: int, *, oldest_seconds: float) -> None:
        """Note how many jobs wait, and for how long the oldest of them has.

        Up to the level of so many jobs at once. One level up, too, for a job that waits long, and the next one as much
        later. One level down after a whole cooldown in which every look found too few for this level.
        """
        now, settings = self._monotonic(), get_settings()
        waits = waiting > 0 and oldest_seconds > settings.autoscale_wait_seconds
        by_jobs = max(
            (at for at, (jobs, _) in enumerate(self._levels) if at and waiting > jobs), default=0
        )
        if by_jobs > self._at:
            self._raise_to(by_jobs, now)
        elif waits:
            if now - self._raised_at >= settings.autoscale_wait_seconds:
                self._raise_to(min(self._at + 1, len(self._levels) - 1), now)
            self._low_since = None
        elif self._at and waiting < self._levels[self._at - 1][0]:
            if self._low_since is None:
                self._low_since = now
            if now - self._low_since >= settings.autoscale_cooldown_seconds:
                self._at -= 1
                self._low_since = now
        else:
            self._low_since = None

    def missed(self) -> None:
        """Note that a look failed, came late or cannot be believed: nothing goes on the strength of what was before."""
        self._low_since = None

    def _raise_to(self, level: int, now: float) -> None:
        self._at, self._raised_at, self._low_since = level, now, None


def desired_workers(queue: Queue) -> int:
    """Return how many workers should serve a queue, for whoever starts and ends workers: KEDA, or a person.

    One for each HOLDFAST["queued_per_worker"] jobs that wait, and one more than there are while a job waits longer than
    HOLDFAST["autoscale_wait_seconds"]; within HOLDFAST["workers_least"] and HOLDFAST["workers_most"].
    """
    settings = get_settings()
    wanted = math.ceil(queue.total / settings.queued_per_worker)
    if (queue.oldest_seconds or 0.0) > settings.autoscale_wait_seconds:
        wanted = max(wanted, len(queue.workers) + 1)
    return min(max(wanted, settings.workers_least), settings.workers_most)
