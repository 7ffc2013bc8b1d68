"""What a stalled worker can tell about itself, for whoever reads its log: canaries, connection, queues and stack."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

from holdfast.broker.canary import Canary
from holdfast.broker.contents import Contents
from holdfast.broker.publisher import Publisher, Unavailable
from holdfast.broker.transport import Channel
from holdfast.worker.stalls import Facts

FRAMES = 12


class Evidence:
    """Collects it from any thread; asks the broker for lengths, each within the publish timeout."""

    def __init__(self, canary: Canary, publisher: Publisher) -> None:
        self._canary = canary
        self._publisher = publisher
        self._thread: int | None = None
        self._greenlet: Any = None

    def here(self) -> None:
        """Remember the calling thread as the one that runs the event loop."""
        self._thread = threading.get_ident()
        # Only where somebody has loaded it can the loop run in one.
        greenlet = sys.modules.get("greenlet")
        self._greenlet = greenlet.getcurrent() if greenlet is not None else None

    def of(self, consumer: Any, facts: Facts) -> str:
        """Return some lines of text."""
        channel = getattr(consumer.task_consumer, "channel", None)
        said = [
            self._canaries(),
            f"connection: {_state(channel) if facts.connected else 'none'}",
            *self._queues(channel, facts),
            "stack of the event loop's thread:",
            self.stack(),
        ]
        return "\n".join(said)

    def stack(self) -> str:
        """Return where the thread of the event loop is."""
        frame = sys._current_frames().get(self._thread or 0)
        if self._greenlet is not None and getattr(self._greenlet, "gr_frame", None) is not None:
            frame = self._greenlet.gr_frame
        if frame is None:
            return "  unknown"
        return "".join(traceback.format_stack(frame, limit=FRAMES)).rstrip()

    def _canaries(self) -> str:
        now = time.monotonic()
        heard, since = self._canary.last_heard, self._canary.out_since
        out = "none is out" if since is None else f"the oldest was sent {now - since:.1f} s ago"
        came = (
            "none has ever come"
            if heard is None
            else f"number {heard.number} came {now - heard.at:.1f} s ago, with {sorted(heard.queues)}"
        )
        return f"canaries: {self._canary.sent} sent, {out}; {came}"

    def _queues(self, channel: Any, facts: Facts) -> Iterator[str]:
        for queue in sorted(facts.serves):
            try:
                lengths = {
                    priority: Contents(self._publisher, queue=queue, priority=priority).length()
                    for priority in getattr(channel, "priority_steps", (0,))
                }
            except Unavailable as error:
                yield f"queue {queue}: unknown ({error})"
                return
            yield f"queue {queue}: {sum(lengths.values())} messages"


def _state(channel: Any) -> str:
    return channel.described() if isinstance(channel, Channel) else "open"
