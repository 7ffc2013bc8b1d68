"""How often something has happened since counting began: each process counts what happens in it, and tells it in sums.

Workers and schedulers listen to the events of their own process and write what came up every few seconds, if anything
did. What if it dies here? What was not told yet is in no count; nothing else depends on it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from holdfast import events
from holdfast.ledger.database import alias, connection
from holdfast.ledger.models.totals import Count

RESCUED = "rescued"
REPUBLISHED = "republished"
STALLED = "stalled"
LEASES_LOST = "leases lost"
SUSPECTED = "suspected"
DECIDED = "decided"
# What can be counted of events; a label is one of a few words of our own.
NAMES = (RESCUED, REPUBLISHED, STALLED, LEASES_LOST, SUSPECTED, DECIDED)
# Messages of alerts, by the channel: counted where they are written.
SENT = "alert sent"
NOT_SENT = "alert not sent"
_ADD = """
INSERT INTO holdfast_count (name, label, n) VALUES {rows}
ON CONFLICT (name, label) DO UPDATE SET n = holdfast_count.n + excluded.n
"""
Key = tuple[str, str]


class Counts:
    """What has happened in this process and was not told yet; any thread may note something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: Counter[Key] = Counter()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self._new

    def note(self, name: str, label: str = "", n: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._new[name, label[:100]] += n

    def write(self) -> None:
        """Tell what came up since the last time, in one statement; what the database does not take is told later."""
        with self._lock:
            new, self._new = self._new, Counter()
        if not new:
            return
        try:
            add(new)
        except Exception:
            with self._lock:
                self._new.update(new)
            raise


def add(new: Mapping[Key, int]) -> None:
    """Add to the counts; in the same order whoever does it, so that no two wait for each other."""
    rows = [part for (name, label), n in sorted(new.items()) for part in (name, label, n)]
    with connection().cursor() as cursor:
        cursor.execute(_ADD.format(rows=", ".join(["(%s, %s, %s)"] * len(new))), rows)


def told() -> dict[Key, int]:
    """Return what was counted by (name, label): one statement, and a row for each."""
    return {(row.name, row.label): row.n for row in _rows().order_by("name", "label")}


def listen(counts: Counts) -> None:
    """Count the events of this process from now on."""

    def rescued(count: int, **_: Any) -> None:
        counts.note(RESCUED, n=count)

    def republished(count: int, **_: Any) -> None:
        counts.note(REPUBLISHED, n=count)

    def stalled(**_: Any) -> None:
        counts.note(STALLED)

    def lost(**_: Any) -> None:
        counts.note(LEASES_LOST)

    def suspected(kind: str, **_: Any) -> None:
        counts.note(SUSPECTED, kind)

    def decided(outcome: str, **_: Any) -> None:
        counts.note(DECIDED, outcome)

    for signal, receiver in (
        (events.jobs_rescued, rescued),
        (events.jobs_republished, republished),
        (events.worker_stalled, stalled),
        (events.lease_lost, lost),
        (events.message_suspected, suspected),
        (events.occurrence_decided, decided),
    ):
        # The latest one who listens has them all: an event is in one count.
        signal.disconnect(dispatch_uid="holdfast.counts")
        signal.connect(receiver, weak=False, dispatch_uid="holdfast.counts")


def _rows() -> QuerySet[Count]:
    return Count.objects.using(alias())
