"""The thread that looks at batches whose members' ends the main process has written; once there is one.

Members that end while it looks at their batch are one look together. What it does not do, because it died or the
database is away, the loop over all open batches does.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from holdfast.ledger.database import is_passing
from holdfast.results import batch_ends
from holdfast.upkeep.loop import Loop

logger = logging.getLogger("holdfast.worker")
IDLE_SECONDS = 60.0
# So long a connection is kept for the next member to end.
QUIET_SECONDS = 1.0
# Whoever adds members to a batch may keep it locked for longer, and the loop looks at it then.
LONGEST_SECONDS = 10.0


class Looks:
    """Looks at batches after ends of their members; not in the clerk's thread, since code of the project runs here."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._changed = threading.Condition()
        self._asked: dict[str, None] = {}
        self._looking = False
        self._loop: Loop | None = None

    def ended(self, batch_id: str) -> None:
        """Note that a member's end is in the ledger; from any thread."""
        if batch_ends.is_spared(batch_id):
            return
        with self._changed:
            self._asked[batch_id] = None
            if self._loop is None:
                self._loop = Loop("batches", self.one_pass, longest=LONGEST_SECONDS, rests=True)
                self._loop.start()
        self._loop.wake()

    def stop(self, *, seconds: float) -> None:
        """Look at what was asked for by now, for so long at most, and end."""
        if self._loop is not None:
            with self._changed:
                self._changed.wait_for(lambda: not (self._asked or self._looking), timeout=seconds)
            self._loop.stop(seconds=seconds)

    def one_pass(self) -> float:
        """Look at each batch that was asked for; return how long there is nothing to do."""
        asked = self._take()
        try:
            for batch_id in asked:
                self._look(batch_id)
        finally:
            with self._changed:
                self._looking = False
                self._changed.notify_all()
        return QUIET_SECONDS if asked else IDLE_SECONDS

    def _take(self) -> list[str]:
        with self._changed:
            asked, self._asked = list(self._asked), {}
            self._looking = True
        return asked

    def _look(self, batch_id: str) -> None:
        try:
            batch_ends.look(self._app, batch_id)
        except Exception as error:
            if is_passing(error):
                # It ends the pass, and the connection with it: all that is left of it is the loop's.
                raise
            logger.exception("Batch %s could not be looked at; the loop tries again", batch_id)
