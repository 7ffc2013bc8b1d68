"""What a list of the broker has lost: gone through page by page, each job once, however long that takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.ledger.clocks import ROUNDING
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Ticket


@dataclass(slots=True, kw_only=True)
class Loss:
    """All jobs of a list that were published in a window, but those whose tickets were seen there.

    The window ends before now, or begins after it: a job that is published again is out of it, nothing is done twice,
    and a job that is published meanwhile is left to the next look.
    """

    since: datetime | None = None
    before: datetime | None = None
    present: Collection[tuple[str, int]] = ()
    # Those that were met and stay as they are, at the instant where the pages have come to.
    _met: dict[str, datetime] = field(default_factory=dict)

    def next_page(self, queue: str, priority: int, *, limit: int) -> list[Ticket] | None:
        """Return the next jobs whose tickets are gone, none of a page that is there; None behind the last page."""
        rows = queries.queued_between(
            queue, priority, since=self.since, before=self.before, limit=limit + len(self._met)
        )
        new = [(ticket, at) for ticket, at in rows if ticket.id not in self._met]
        if not new:
            return None
        self.since = new[-1][1] - ROUNDING
        self._met |= {ticket.id: at for ticket, at in new}
        self._met = {id: at for id, at in self._met.items() if at >= self.since}
        return [ticket for ticket, _ in new if (ticket.id, ticket.token) not in self.present]

    def note(self, published: Iterable[Ticket]) -> None:
        """Note which of them have been published again: they are not met another time."""
        for ticket in published:
            self._met.pop(ticket.id, None)
