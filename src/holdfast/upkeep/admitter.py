"""The admitter: lets jobs in where nobody else has a reason to ask. One worker does it for all, with the relay.

A rate lets the next one in because time has passed. And who was about to ask may have died.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from holdfast.conf import get_settings
from holdfast.ledger import pauses
from holdfast.ledger.duty import Work
from holdfast.ledger.limiting import admission, limits, lines
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.records import Ticket

BATCH = 500
# Limits looked at in one pass; the next pass goes on behind them.
LIMITS = 20


class Admitter:
    """Looks at the limits in turn, and at nothing where nobody waits."""

    def __init__(
        self,
        stated: Mapping[str, Bounds],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stated = stated
        self._monotonic = monotonic
        self._declared = False
        self._next_look = float("-inf")
        self._after = ""

    def declare(self) -> None:
        """Tell the ledger once what the code of this worker says; the worker that started last is right."""
        if not self._declared:
            limits.declare(self._stated, overwrite=True)
            self._declared = True

    def one_pass(self, work: Work) -> tuple[list[Ticket], float | None]:
        """Admit; return what must be published, and the seconds until a rate lets the next one in."""
        now = self._monotonic()
        waits: list[float] = []
        if now >= self._next_look:
            self._next_look = now + get_settings().sweep_seconds
            if work.shelved and self._wake():
                waits.append(0.0)  # they are due now
            if work.let_in:
                lines.leave_behind(limit=BATCH)
        due = work.due_seconds is not None and work.due_seconds <= 0
        if not (due and limits.line_up_due(limit=BATCH)) and not work.lined_up:
            return [], min(waits, default=None)
        tickets: list[Ticket] = []
        for name in self._next_names():
            admitted = admission.admit(name, stated=self._bounds_of, most=BATCH)
            tickets += admitted.tickets
            if admitted.again_in is not None:
                waits.append(admitted.again_in)
        return tickets, min(waits, default=None)

    def _wake(self) -> int:
        total = 0
        while woken := pauses.wake(limit=BATCH):
            total += woken
            if woken < BATCH:
                break
        return total

    def _bounds_of(self, name: str) -> Bounds | None:
        return self._stated.get(name)

    def _next_names(self) -> list[str]:
        names = lines.waiting_names(after=self._after, many=LIMITS)
        if len(names) < LIMITS and self._after:
            first = lines.waiting_names(after="", many=LIMITS - len(names))
            names += [name for name in first if name not in names]
        self._after = names[-1] if len(names) == LIMITS else ""
        return names
