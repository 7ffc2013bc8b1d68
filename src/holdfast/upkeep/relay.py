"""The relay: publishes what is due and not yet on the broker. One worker does it for all."""

from __future__ import annotations

from datetime import timedelta

from holdfast import events
from holdfast.broker.publisher import Publisher, Unavailable
from holdfast.conf import get_settings
from holdfast.ledger import publishing
from holdfast.ledger.duty import Work
from holdfast.ledger.records import Ticket
from holdfast.upkeep.admitter import Admitter

BATCH = 500
# While nothing at all is under way the looks are so many times further apart: who records a job that is due sooner
# than that into an idle ledger may find it so late.
IDLE = 3


class Relay:
    """One pass publishes a batch; the pause ends when the next job is due."""

    def __init__(self, publisher: Publisher, admitter: Admitter | None = None) -> None:
        self._publisher = publisher
        self._admitter = admitter

    def one_pass(self, work: Work) -> float:
        """Publish a batch of due jobs, if there are any; return the seconds until there may be something to do."""
        longest = get_settings().relay_seconds
        if not self._publisher.available:
            return longest
        if work.none:
            longest *= IDLE
        longest = self._admit(work, longest)
        if work.due_seconds is None or work.due_seconds > 0:
            return longest if work.due_seconds is None else min(longest, work.due_seconds)
        # Marked and committed before it is published: a crash in between costs one grace, a publish
        # before the commit would hold the rows' locks while the broker hangs.
        tickets = publishing.publish_due(limit=BATCH)
        if not tickets or not self._publish(tickets):
            return longest
        return 0.0

    def _admit(self, work: Work, longest: float) -> float:
        """Let limited jobs in; return when to look again."""
        if self._admitter is None:
            return longest
        tickets, again_in = self._admitter.one_pass(work)
        if tickets:
            self._publish(tickets)
        return longest if again_in is None else min(longest, again_in)

    def _publish(self, tickets: list[Ticket]) -> bool:
        longest = get_settings().relay_seconds
        try:
            self._publisher.publish(tickets)
        except Unavailable as unavailable:
            publishing.recall(unavailable.rest, delay=timedelta(seconds=longest))
            return False
        events.jobs_published.send(sender=type(self), count=len(tickets))
        return True
