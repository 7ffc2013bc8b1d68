"""The thread that lets the next jobs in when limited ones end here; in a worker's main process, once it is needed.

The ends that come while it asks the ledger are one question: the shorter the jobs, the more of them share it. What it
does not do, because it died or the database is away, the relay does.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from holdfast.ledger.limiting import admission, lines
from holdfast.ledger.records import Ticket
from holdfast.policies.limits import bounds_of
from holdfast.upkeep.loop import Loop

IDLE_SECONDS = 60.0
# Between two questions while other jobs of the same limits run here.
SPACING_SECONDS = 0.02
# The same where nobody waits. Who is the first to wait again may do so for that long, everybody else finds room.
QUIET_SECONDS = 0.1


class Held(Protocol):
    """A job that this worker has claimed and not finished."""

    @property
    def limits(self) -> Sequence[str]: ...


class Admissions:
    """Asks the limits that ended jobs have left."""

    def __init__(self, publish: Callable[[list[Ticket]], None], held: Mapping[str, Held]) -> None:
        self._publish = publish
        self._held = held
        self._lock = threading.Lock()
        self._ended: dict[str, set[str]] = defaultdict(set)
        self._loop: Loop | None = None
        self._resting = True

    def ended(self, job: str, limits: Sequence[str]) -> None:
        """Note that an attempt of a limited job is over."""
        with self._lock:
            for name in limits:
                self._ended[name].add(job)
            if self._loop is None:
                self._loop = Loop("admission", self.one_pass, rests=True)
                self._loop.start()
        # Others of these limits end soon too, and are asked for together.
        if self._resting or not self._goes_on(limits):
            self._loop.wake()

    def _goes_on(self, limits: Sequence[str]) -> bool:
        """Tell whether another job of these limits is held here."""
        return any(set(limits) & set(held.limits) for held in list(self._held.values()))

    def stop(self, *, seconds: float) -> None:
        """End after the pass that runs."""
        if self._loop is not None:
            self._loop.stop(seconds=seconds)

    def one_pass(self) -> float:
        """Let in what fits now; return how long there is nothing to do."""
        with self._lock:
            ended, self._ended = self._ended, defaultdict(set)
            self._resting = not ended
        waited = False
        if ended:
            left, waited_for = lines.leave_and_look(set().union(*ended.values()), list(ended))
            waited = bool(waited_for)
            for name in sorted(waited_for):
                keys = {key for limit, key in left if limit == name}
                done = admission.admit(name, stated=bounds_of, keys=keys, exactly=False, waits=True)
                if done.tickets:
                    self._publish(done.tickets)
        if not ended:
            return IDLE_SECONDS
        return SPACING_SECONDS if waited else QUIET_SECONDS
