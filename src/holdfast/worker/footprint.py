"""How much memory the processes of a worker take: looked at with the heartbeat, told when it has changed.

On systems without /proc nothing is known, and nothing is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from holdfast.conf import get_settings
from holdfast.worker.growth import BEATS_APART, mib_of

# What has changed by less than this part is not told: an idle worker writes nothing.
LEAST_CHANGE = 1 / 32
_MIB = 2**20


class Footprint:
    """Remembers what was told last; one thread looks."""

    def __init__(
        self,
        pids: Callable[[], Iterable[int]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        read: Callable[[int], float | None] = mib_of,
    ) -> None:
        self._pids = pids
        self._monotonic = monotonic
        self._read = read
        self._looked = float("-inf")
        self._told: tuple[int, int] = (0, 0)

    def forget(self) -> None:
        """Tell it again at the next look: whoever was told is gone."""
        self._looked, self._told = float("-inf"), (0, 0)

    def look(self) -> tuple[int, int] | None:
        """Return what all processes take together and what the largest takes, in bytes; None: nothing to tell now.

        What processes share counts for each of them: the sum is what they take at most.
        """
        now = self._monotonic()
        if now - self._looked < get_settings().beat_seconds * BEATS_APART:
            return None
        self._looked = now
        sizes = [mib for pid in set(self._pids()) if (mib := self._read(pid)) is not None]
        if not sizes:
            return None
        found = int(sum(sizes) * _MIB), int(max(sizes) * _MIB)
        pairs = zip(found, self._told, strict=True)
        if all(abs(is_now - was) <= was * LEAST_CHANGE for is_now, was in pairs):
            return None
        self._told = found
        return found
