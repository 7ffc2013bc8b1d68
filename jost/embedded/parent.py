"""Notices what happens to the `make` that started the runner: a signal for it alone is meant for us too."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def started_by_make() -> bool:
    """Say whether our parent is a make, on a system that tells us about it."""
    return sys.platform == "linux" and "MAKELEVEL" in os.environ and _parent().get("Name") == "make"


def end_with_parent() -> None:
    """Have the system send us SIGTERM when our parent is gone, however it went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def parent_was_interrupted() -> bool:
    """Say whether make has got a SIGINT that the terminal did not send to us as well.

    GNU make then waits for its children without telling them; it shows only in that it stops
    catching the signal.
    """
    caught = _parent().get("SigCgt")
    return caught is not None and not _has(caught, signal.SIGINT)


def catches_interrupts() -> bool:
    """Say whether make listens to SIGINT at all: not when it was started in the background."""
    return _has(_parent().get("SigCgt", "0"), signal.SIGINT)


def _has(mask: str, number: signal.Signals) -> bool:
    return bool(int(mask, 16) >> (number - 1) & 1)


def _parent() -> dict[str, str]:
    try:
        lines = Path(f"/proc/{os.getppid()}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in pairs}
