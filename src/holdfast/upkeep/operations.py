"""The operator: works off what people asked to be done to many jobs, slice by slice. One worker does it for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from holdfast.ledger import slices
from holdfast.ledger.records import Ticket
from holdfast.ledger.slices import Look
from holdfast.tickets import to_publish

# Then the other work of the loop has its turn.
BUDGET_SECONDS = 0.25


class Operator:
    """Works off slices, of the operation that has waited longest first."""

    def __init__(
        self,
        publish: Callable[[Sequence[Ticket]], None],
        tell: Callable[[list[str]], None],
        look: Look,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make one.

        Args:
            publish: puts tickets on the broker; never raises for it.
            tell: tells workers of jobs that are cancelled while they run; never raises for the broker.
            look: see `slices.work`.
            monotonic: a clock in seconds.
        """
        self._publish = publish
        self._tell = tell
        self._look = look
        self._monotonic = monotonic

    def one_pass(self) -> bool:
        """Work for a quarter of a second at most; True if there is more to do at once."""
        begun = self._monotonic()
        waiting: list[int] = []
        while (worked := slices.work(self._look, but=waiting)) is not None:
            # Committed: whoever dies here leaves it to the reconciler, and workers find out by themselves.
            if tickets := to_publish(worked.tickets):
                self._publish(tickets)
            if worked.stopped:
                self._tell(worked.stopped)
            if worked.waits:
                waiting.append(worked.operation)
            if self._monotonic() - begun > BUDGET_SECONDS:
                return True
        return False
