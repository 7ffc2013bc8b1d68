"""How much memory processes take, by the system's word; without a word of the process itself."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process in bytes; None where the system does not say."""

    rss: int | None = None
    """All it has in memory, what it shares with others included."""
    pss: int | None = None
    """The same, with its share of what is shared: these add up."""


def of_process(pid: int) -> Memory:
    """Return what a process of this machine takes now."""
    try:
        found = _read(Path(f"/proc/{pid}/smaps_rollup"))
    except OSError:
        found = {}
    if "Rss" not in found:
        try:
            found |= {"Rss": _read(Path(f"/proc/{pid}/status"))["VmRSS"]}
        except (OSError, KeyError):
            return Memory()
    return Memory(rss=found["Rss"], pss=found.get("Pss"))


def most_of_this_process() -> Memory:
    """Return the most that this process has taken: all that a system without /proc tells."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Memory(rss=most if sys.platform == "darwin" else most * 1024)


def _read(path: Path) -> dict[str, int]:
    """Return the lines that give kilobytes, in bytes."""
    found = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0]) * 1024
    return found
