"""What becomes of messages that are not ours, in the worker's main process: refused or run, and noted in counts.

A flood must not fill the database: each worker writes at most `ROWS_A_MINUTE` rows a minute, and one more of each kind
for all the rest. What if the process dies here? The counts since its last heartbeat are lost; nothing has run.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from holdfast import events
from holdfast.broker.arrivals import Arrival, Origin
from holdfast.broker.messages import is_authentic, ticket_of
from holdfast.conf import get_settings
from holdfast.ledger import security
from holdfast.ledger.security import Kind, Sighting

logger = logging.getLogger("holdfast.security")
ROWS_A_MINUTE = 10
WRITE_SECONDS = 1.0
# Of a task's name or an id that a message claims; longer ones are not remembered whole.
LONGEST = 255

_KINDS = {
    Origin.UNSIGNED: Kind.UNSIGNED,
    Origin.FORGED_TICKET: Kind.FORGED_TICKET,
    Origin.FORGED_MESSAGE: Kind.FORGED_MESSAGE,
    Origin.MALFORMED: Kind.MALFORMED,
}
_Key = tuple[str, str, str, bool]


class Guard:
    """Decides by origin and by HOLDFAST["unsigned"]; one per worker process."""

    def __init__(
        self, *, worker: Callable[[], UUID], submit: Callable[[Callable[[], None]], None]
    ) -> None:
        self._worker = worker
        self._submit = submit
        self._lock = threading.Lock()
        self._seen: dict[_Key, Sighting] = {}
        self._rows: dict[_Key, int] = {}
        self._minute = -1
        self._next_write = 0.0

    def admits(self, arrival: Arrival, item: bytes, *, queue: str) -> bool:
        """Tell whether a message may go on; what is not ours is noted."""
        origin = arrival.origin
        if origin is Origin.TICKET or origin is Origin.SEALED:
            return True
        mode = get_settings().unsigned
        if origin is Origin.UNSIGNED and mode == "accept":
            return True
        accepted = origin is Origin.UNSIGNED and mode == "warn"
        headers = arrival.message.get("headers") if arrival.message else None
        claimed = headers if isinstance(headers, Mapping) else {}
        self.note(
            Sighting(
                kind=_KINDS[origin],
                queue=queue,
                task=_claim(claimed.get("task")),
                job=_claim(claimed.get("id")),
                digest=hashlib.sha256(item).hexdigest(),
                size=len(item),
                accepted=accepted,
            )
        )
        return accepted

    def admits_of_kombu(self, message: Any) -> bool:
        """Tell the same of a message of another broker's, which has no seal: only tickets can be told there."""
        headers = message.headers
        queue = str(message.delivery_info.get("routing_key", ""))
        if ticket_of(headers) is None or is_authentic(headers, queue=queue):
            return True
        forged = Arrival(Origin.FORGED_TICKET, {"headers": headers})
        return self.admits(forged, str(headers).encode(errors="backslashreplace"), queue=queue)

    def note(self, sighting: Sighting) -> None:
        """Count one message; it is written soon, by another thread."""
        now = time.monotonic()
        with self._lock:
            if int(now // 60) != self._minute:
                self._minute = int(now // 60)
                self._rows.clear()
            key = self._key_of(sighting)
            seen = self._seen.get(key)
            first = seen is None and key not in self._rows
            if seen is None:
                seen = self._seen[key] = replace(
                    sighting, kind=key[0], queue=key[1], task=key[2], worker=self._worker()
                )
            seen.count += 1
            write = now >= self._next_write
            if write:
                self._next_write = now + WRITE_SECONDS
        if first:
            fate = "run all the same" if sighting.accepted else "refused"
            logger.warning(
                "A message on queue %r is not one of ours and is %s: %s, it says that it is task %r, job %r "
                "(%d bytes, sha256 %s); more of them are counted in `manage.py holdfast security`",
                sighting.queue, fate, sighting.kind, sighting.task, sighting.job, sighting.size,
                sighting.digest,
            )  # fmt: skip
        events.message_suspected.send(
            sender=Guard,
            kind=sighting.kind,
            queue=sighting.queue,
            task=sighting.task,
            job=sighting.job,
            accepted=sighting.accepted,
        )
        if write:
            self._submit(self.write)

    def write_soon(self) -> None:
        """Have what is counted written; called with every heartbeat."""
        if self._seen:
            self._submit(self.write)

    def write(self) -> None:
        """Write what is counted; what the database does not take is kept for the next time."""
        with self._lock:
            seen, self._seen = self._seen, {}
        while seen:
            key, sighting = next(iter(seen.items()))
            try:
                self._write(key, sighting)
            except Exception:
                with self._lock:
                    for later, left in seen.items():
                        if later in self._seen:
                            left.count += self._seen[later].count
                        self._seen[later] = left
                raise
            del seen[key]

    def _write(self, key: _Key, sighting: Sighting) -> None:
        row = self._rows.get(key)
        if row is None:
            self._rows[key] = security.note(sighting)
        else:
            security.note_more(row, count=sighting.count)

    def _key_of(self, sighting: Sighting) -> _Key:
        """Return what is counted together: by kind, queue and task, or by kind alone once there are too many."""
        key = (sighting.kind, sighting.queue, sighting.task, sighting.accepted)
        known = self._rows.keys() | self._seen.keys()
        if key in known or len(known) < ROWS_A_MINUTE:
            return key
        return (sighting.kind, "", "", sighting.accepted)


def _claim(value: Any) -> str:
    return value[:LONGEST] if isinstance(value, str) else ""
