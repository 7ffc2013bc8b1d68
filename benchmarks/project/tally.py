"""How many bodies ran, told to the driver through memory that is shared with it: a no-op stays one.

A round trip to a server would be most of what a body does, and eight threads of a process would measure how they take
turns at their interpreter's lock while they wait for it. What a process has counted outlasts it.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from threading import Lock

COUNT = struct.Struct("=q")


class Tally:
    """One process's count, in a file of its own."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(COUNT.pack(0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), COUNT.size)
        self._lock = Lock()
        self._count = 0

    def add(self) -> None:
        """Count one more; from any thread."""
        with self._lock:
            self._count += 1
            COUNT.pack_into(self._shared, 0, self._count)


# By pid: a forked child must not count on its parent's page.
_tallies: dict[int, Tally] = {}
_opening = Lock()


def _open(pid: int) -> Tally:
    with _opening:
        if pid not in _tallies:
            _tallies[pid] = Tally(Path(os.environ["BENCH_TALLIES"]) / str(pid))
        return _tallies[pid]


def count() -> None:
    """Tell the driver that one more job ran; the same price for every contender."""
    pid = os.getpid()
    (_tallies.get(pid) or _open(pid)).add()


def total(directory: Path) -> int:
    """Return how many ran in all processes that count in this directory."""
    counts = (path.read_bytes().ljust(COUNT.size, b"\0") for path in directory.iterdir())
    return sum(COUNT.unpack(count)[0] for count in counts)
