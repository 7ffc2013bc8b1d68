"""How the memory of a worker's processes grows: looked at now and then by the heartbeat, told when it does.

On systems without /proc nothing is known, and nothing is told.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from holdfast.conf import get_settings

# A minute with the default lease; the last hour is looked at.
BEATS_APART = 5
MOST_SAMPLES = 60
# From so many on a line can be drawn; less growth than that is warmth.
FEWEST_SAMPLES = 5
LEAST_MIB = 10.0
# How much of what changes the line must explain: memory that goes up and down does not grow.
LEAST_SHARE = 0.6
_PAGE = os.sysconf("SC_PAGE_SIZE") / 2**20


def mib_of(pid: int) -> float | None:
    """Return the resident memory of a process in MiB; None if it is gone, or nobody can tell.

    Of the counts that the system keeps anyway: to add up the pages of a large process could hold up a heartbeat.
    """
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None


def processes_of(pool: Any) -> list[int]:
    """Return the processes that run the bodies of a pool: its own, or this one where it has none."""
    found = getattr(getattr(pool, "_pool", None), "_pool", None)
    pids = (
        [getattr(process, "pid", None) for process in list(found)]
        if isinstance(found, list)
        else []
    )
    return [pid for pid in pids if pid] or [os.getpid()]


class Growth:
    """Samples of each process; one thread looks."""

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
        self._samples: dict[int, deque[tuple[float, float]]] = {}
        self._looked = float("-inf")
        self._told = ""

    def look(self) -> str | None:
        """Take a sample where it is time; return what is to be told now, as JSON, or None if nothing has changed.

        What is told: `pid`, `from_mib`, `to_mib`, `seconds` and `mib_per_hour` of the process that grows most; empty
        once none grows any more.
        """
        now = self._monotonic()
        if now - self._looked < get_settings().beat_seconds * BEATS_APART:
            return None
        self._looked = now
        before, self._samples = self._samples, {}
        for pid in self._pids():
            if (mib := self._read(pid)) is not None:
                self._samples[pid] = before.get(pid, deque(maxlen=MOST_SAMPLES))
                self._samples[pid].append((now, mib))
        found = [growth for pid, taken in self._samples.items() if (growth := _growth(pid, taken))]
        worst = max(found, key=lambda growth: growth["mib_per_hour"], default=None)
        told = "" if worst is None else json.dumps(worst)
        if told == self._told:
            return None
        self._told = told
        return told


def _growth(pid: int, taken: deque[tuple[float, float]]) -> dict[str, Any] | None:
    """Return how a process grows, by the line through its samples; None if it does not."""
    (began, first), (ended, last) = taken[0], taken[-1]
    if len(taken) < FEWEST_SAMPLES or last - first < LEAST_MIB:
        return None
    at = [moment - began for moment, _ in taken]
    mib = [size for _, size in taken]
    mean_at, mean_mib = sum(at) / len(at), sum(mib) / len(mib)
    spread = sum((x - mean_at) ** 2 for x in at)
    together = sum((x - mean_at) * (y - mean_mib) for x, y in zip(at, mib, strict=True))
    change = sum((y - mean_mib) ** 2 for y in mib)
    if not spread or not change or together <= 0 or together**2 / (spread * change) < LEAST_SHARE:
        return None
    return {
        "pid": pid,
        "from_mib": round(first, 1),
        "to_mib": round(last, 1),
        "seconds": round(ended - began, 1),
        "mib_per_hour": round(together / spread * 3600, 1),
    }
