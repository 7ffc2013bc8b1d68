"""The reconciler: compares what the ledger says is queued with what the broker holds, and publishes the difference.

This is what makes a wiped broker harmless. One worker does it for all, and reads a list only by its oldest
end unless that leaves a doubt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from holdfast import events
from holdfast.broker.contents import Contents
from holdfast.broker.publisher import Publisher, Unavailable
from holdfast.conf import get_settings
from holdfast.ledger import publishing
from holdfast.ledger.clocks import AHEAD
from holdfast.ledger.database import dialect
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Ticket
from holdfast.upkeep.losses import Loss

logger = logging.getLogger("holdfast.upkeep")
BATCH = 1000
SUSPECTS = 20_000
# Messages of a list that may be remembered while what it has lost is published again.
REMEMBERED = 50_000
# Jobs are published again for so long in one pass; then the other work of the loop has its turn.
BUDGET_SECONDS = 2.0
FORGET_SECONDS = 30.0


class Window(NamedTuple):
    """Times of publication of jobs that must have been seen on the broker by now: before an instant, or after one.

    What was published after now was published before the clock was set back.
    """

    since: datetime | None = None
    before: datetime | None = None

    def than_head(self, oldest: datetime | None) -> Window:
        """Return what of it is older than the head of its list; all of it, if the head is of the other side of now."""
        if oldest is None or (self.since is not None and oldest < self.since):
            return self
        earlier = oldest - _grace()
        return self._replace(before=earlier if self.before is None else min(self.before, earlier))


def _grace() -> timedelta:
    return timedelta(seconds=get_settings().grace_seconds)


class Reconciler:
    """A queued job older than the oldest message of its list has been taken from it, and nobody claimed it."""

    def __init__(self, publisher: Publisher, publish: Callable[[Sequence[Ticket]], None]) -> None:
        self._publisher = publisher
        self._publish = publish
        self._losses: dict[tuple[str, int], Loss] = {}
        self._until = time.monotonic()

    @property
    def has_more(self) -> bool:
        """Whether there is more to publish than one pass could."""
        return bool(self._losses)

    def one_pass(self) -> int:
        """Publish again what the broker has lost, for two seconds or so; return how many jobs."""
        if not self._publisher.available:
            # What it holds when it is back is not known.
            self._losses.clear()
            return 0
        begun = time.monotonic()
        if begun > self._until + FORGET_SECONDS:
            self._losses.clear()  # somebody else has had the duty meanwhile
        self._until = begun + BUDGET_SECONDS
        lists = list(queries.queued_lists())
        self._losses = {place: loss for place, loss in self._losses.items() if place in lists}
        try:
            return sum(self._one_list(queue, priority) for queue, priority in lists)
        except Unavailable as unavailable:
            logger.warning("The broker went away while it was looked into: %s", unavailable)
            self._losses.clear()
            return 0

    def _one_list(self, queue: str, priority: int) -> int:
        if (queue, priority) in self._losses:
            return self._go_on(queue, priority)
        grace = _grace()
        total = 0
        if queries.queued_before(queue, priority, moment=None, older_than=grace, limit=1):
            total = self._one_window(queue, priority, Window(before=dialect().now() - grace))
        if (queue, priority) not in self._losses and queries.queued_ahead(queue, priority):
            # Published in what is the future again: the clock was set back, and they need not wait for it.
            total += self._one_window(queue, priority, Window(since=dialect().now() + AHEAD))
        return total

    def _one_window(self, queue: str, priority: int, window: Window) -> int:
        contents = Contents(self._publisher, queue=queue, priority=priority)
        if not contents.readable:
            return self._by_count(queue, priority, window)
        length = contents.length()
        if length == 0:
            return self._all_is_gone(queue, priority, window)
        return self._look_into(contents, length, queue, priority, window)

    def _look_into(
        self, contents: Contents, length: int, queue: str, priority: int, window: Window
    ) -> int:
        since, before = window.than_head(self._oldest_published(contents))
        suspects = queries.queued_between(
            queue, priority, since=since, before=before, limit=SUSPECTS
        )
        # Older than the head: taken from the list, or recorded by a transaction that committed late. Look.
        missing = {(ticket.id, ticket.token): ticket for ticket, _ in suspects}
        present: set[tuple[str, int]] = set()
        for page in contents.pages() if missing else ():
            present.update(page if length <= REMEMBERED else ())
            for ticket in page:
                missing.pop(ticket, None)
            if not missing:
                break
        if missing and len(suspects) == SUSPECTS and length <= REMEMBERED:
            # There are more of them, and what the list holds is known: they need no look of their own.
            self._losses[queue, priority] = Loss(since=since, before=before, present=present)
            return self._go_on(queue, priority)
        return self._republish(queue, list(missing.values()))

    def _by_count(self, queue: str, priority: int, window: Window) -> int:
        """On a broker that counts and does not list: what is behind in a queue that is empty, or was overtaken.

        A job that was overtaken and is there all the same comes twice: its old ticket is dropped.
        """
        waiting = self._publisher.waiting(queue)
        if waiting is None:
            return 0
        if waiting == 0:
            return self._all_is_gone(queue, priority, window)
        overtaken = queries.overtaken(
            queue, priority, **window._asdict(), by=_grace(), limit=SUSPECTS
        )
        return self._republish(queue, overtaken) if overtaken else 0

    def _oldest_published(self, contents: Contents) -> datetime | None:
        """Return when the oldest standing ticket of the list was published; None if none of it stands."""
        for page in contents.pages():
            known = queries.published_at([id for id, _ in page])
            times = [known[id][1] for id, token in page if id in known and known[id][0] == token]
            if times:
                return min(times)
        return None

    def _all_is_gone(self, queue: str, priority: int, window: Window) -> int:
        """The list is gone: all that was queued before this look is missing, however much is published meanwhile."""
        self._losses[queue, priority] = Loss(**window._asdict())
        return self._go_on(queue, priority)

    def _go_on(self, queue: str, priority: int) -> int:
        """Publish again what a list has lost, until nothing is left or the time of this pass is over."""
        loss, total = self._losses[queue, priority], 0
        while (tickets := loss.next_page(queue, priority, limit=BATCH)) is not None:
            again = publishing.republish(tickets)
            loss.note(again)
            self._publish(again)
            total += len(again)
            if time.monotonic() > self._until or not self._publisher.available:
                break
        else:
            del self._losses[queue, priority]
        if not self._publisher.available:
            self._losses.pop((queue, priority), None)
        self._tell(queue, total)
        return total

    def _republish(self, queue: str, tickets: list[Ticket]) -> int:
        total = 0
        for start in range(0, len(tickets), BATCH):
            again = publishing.republish(tickets[start : start + BATCH])
            self._publish(again)
            total += len(again)
        self._tell(queue, total)
        return total

    def _tell(self, queue: str, count: int) -> None:
        if count:
            logger.warning(
                "Queue %s: published %d jobs again that the broker did not hold", queue, count
            )
            events.jobs_republished.send(sender=type(self), count=count, queue=queue)
