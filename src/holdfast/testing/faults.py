"""Faults that a test can play inside its own process, as the ledger sees them; `drain()` then does what a site does.

What needs a second process, a killed database or the network is not here: `holdfast.testing.services` has real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from holdfast.testing.nowhere import road
from holdfast.testing.recorded import name_of


class WorkerDied(BaseException):
    """The worker of an attempt dies here: nothing that comes after it is done, and no body can catch it by accident."""


class Fault:
    """What is still to happen to attempts of one task."""

    def __init__(self, task: str, times: int) -> None:
        self.task = task
        self.left = times
        self.happened = 0
        """How many attempts it has struck."""

    def strikes(self, task: str) -> bool:
        """Tell whether an attempt of a task is struck, and count it."""
        if task != self.task or not self.left:
            return False
        self.left -= 1
        self.happened += 1
        return True


_deaths: list[Fault] = []
_lapses: list[Fault] = []


@contextmanager
def worker_dies(task: Any, *, times: int = 1) -> Iterator[Fault]:
    """Let the worker die in the next attempts of a task: the body runs to its end, the end is not recorded.

    What the body wrote stays, unless the task is `atomic`. The job is given back as after a rescue, with the loss
    counted, and `drain()` goes on with its next attempt; after `max_lost_attempts` it is dead.

    Raises:
        AssertionError: not so many attempts of the task were run inside.
    """
    with _armed(_deaths, task, times, "worker_dies") as fault:
        yield fault


@contextmanager
def lease_lost(task: Any, *, times: int = 1) -> Iterator[Fault]:
    """Let the worker lose its lease in the next attempts of a task, and its job be given to the next attempt.

    The body runs, as in a process that was frozen and wakes up again. Its end is refused: no result, no link, chain or
    chord, and of an `atomic` body no effect either. The loss is counted, and `drain()` runs the next attempt.

    Raises:
        AssertionError: not so many attempts of the task were run inside.
    """
    with _armed(_lapses, task, times, "lease_lost") as fault:
        yield fault


@contextmanager
def broker_down() -> Iterator[None]:
    """Let Redis be away: calls are recorded all the same, and nothing reaches a worker, so `drain()` runs nothing.

    What was recorded outside of a transaction is held for the relay; all of it runs with the first `drain()` after.
    """
    before, road.is_open = road.is_open, False
    try:
        yield
    finally:
        road.is_open = before


def dies_now(task: str) -> bool:
    """Tell whether the worker of this attempt is to die."""
    return any(fault.strikes(task) for fault in _deaths)


def lapses_now(task: str) -> bool:
    """Tell whether this attempt is to lose its lease."""
    return any(fault.strikes(task) for fault in _lapses)


@contextmanager
def _armed(faults: list[Fault], task: Any, times: int, what: str) -> Iterator[Fault]:
    fault = Fault(name_of(task), times)
    faults.append(fault)
    try:
        yield fault
    finally:
        faults.remove(fault)
    if fault.left:
        # A test of a fault that never happened would pass for nothing.
        raise AssertionError(
            f"{what}({fault.task}): {fault.happened} of {times} attempts were run inside the block. "
            "Record a job of it, and call drain() in the block."
        )
