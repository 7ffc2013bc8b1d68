"""The reconciler: compares what the ledger says is queued with what the broker holds, and publishes the difference.

This is what makes a wiped broker harmless. One worker does it for all, and reads a list only by its oldest
end unless that leaves a doubt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from holdfast import events
from holdfast.broker.contents import Contents
from holdfast.broker.publisher import Publisher, Unavailable
from holdfast.conf import get_settings
from holdfast.ledger import transitions
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Ticket

logger = logging.getLogger("holdfast.upkeep")
BATCH = 1000
SUSPECTS = 20_000


class Reconciler:
    """A queued job older than the oldest message of its list has been taken from it, and nobody claimed it."""

    def __init__(self, publisher: Publisher, publish: Callable[[Sequence[Ticket]], None]) -> None:
        self._publisher = publisher
        self._publish = publish

    def one_pass(self) -> int:
        """Publish again what the broker has lost; return how many jobs."""
        if not self._publisher.available:
            return 0
        grace = timedelta(seconds=get_settings().grace_seconds)
        lists = list(queries.queued_lists())
        try:
            return sum(self._one_list(queue, priority, grace) for queue, priority in lists)
        except Unavailable as unavailable:
            logger.warning("The broker went away while it was looked into: %s", unavailable)
            return 0

    def _one_list(self, queue: str, priority: int, grace: timedelta) -> int:
        if not queries.queued_before(queue, priority, moment=None, older_than=grace, limit=1):
            return 0
        contents = Contents(self._publisher, queue=queue, priority=priority)
        if not contents.readable:
            return self._by_count(queue, priority, grace)
        if contents.length() == 0:
            return self._republish_all(queue, priority, grace)
        oldest = self._oldest_published(contents)
        suspects = queries.queued_before(
            queue,
            priority,
            moment=None if oldest is None else oldest - grace,
            older_than=grace,
            limit=SUSPECTS,
        )
        # Older than the head: taken from the list, or recorded by a transaction that committed late. Look.
        missing = {(ticket.id, ticket.token): ticket for ticket in suspects}
        if not missing:
            return 0
        for page in contents.pages():
            for present in page:
                missing.pop(present, None)
            if not missing:
                return 0
        return self._republish(queue, list(missing.values()))

    def _by_count(self, queue: str, priority: int, grace: timedelta) -> int:
        """On a broker that counts and does not list: what is behind in a queue that is empty, or was overtaken.

        A job that was overtaken and is there all the same comes twice: its old ticket is dropped.
        """
        waiting = self._publisher.waiting(queue)
        if waiting is None:
            return 0
        if waiting == 0:
            return self._republish_all(queue, priority, grace)
        overtaken = queries.overtaken(queue, priority, by=grace, limit=SUSPECTS)
        return self._republish(queue, overtaken) if overtaken else 0

    def _oldest_published(self, contents: Contents) -> datetime | None:
        """Return when the oldest standing ticket of the list was published; None if none of it stands."""
        for page in contents.pages():
            known = queries.published_at([id for id, _ in page])
            times = [known[id][1] for id, token in page if id in known and known[id][0] == token]
            if times:
                return min(times)
        return None

    def _republish_all(self, queue: str, priority: int, grace: timedelta) -> int:
        """The list is gone: all that was queued before this look is missing, however much is published meanwhile."""
        total = 0
        tickets = queries.queued_before(queue, priority, moment=None, older_than=grace, limit=BATCH)
        while tickets:
            total += self._republish(queue, tickets)
            if not self._publisher.available:
                break
            # Republished rows are younger than the grace now, so this asks for the rest.
            tickets = queries.queued_before(
                queue, priority, moment=None, older_than=grace, limit=BATCH
            )
        return total

    def _republish(self, queue: str, tickets: list[Ticket]) -> int:
        total = 0
        for start in range(0, len(tickets), BATCH):
            again = transitions.republish(tickets[start : start + BATCH])
            self._publish(again)
            total += len(again)
        logger.warning(
            "Queue %s: published %d jobs again that the broker did not hold", queue, total
        )
        events.jobs_republished.send(sender=type(self), count=total, queue=queue)
        return total
