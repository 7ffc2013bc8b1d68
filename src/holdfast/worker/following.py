"""The thread for what follows on ends that the main process writes: looks at batches, the last members of chords.

It begins with the first of them. Members that end while it looks at their batch are one look together. A look that it
does not come to, because it died or the database is away, is made by the loop over all open batches; an end that it
does not come to is as any other that is not written.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import is_passing
from holdfast.results import batch_ends
from holdfast.upkeep.loop import Loop

logger = logging.getLogger("holdfast.worker")
IDLE_SECONDS = 60.0
# So long a connection is kept for the next member to end.
QUIET_SECONDS = 1.0
# Between two looks: what ends meanwhile is asked for together.
SPACING_SECONDS = 0.02
# Whoever adds members to a batch may keep it locked for longer, and the loop looks at it then.
LOOK_SECONDS = 10.0


class Following:
    """Does what may run code of the project, which the clerk is not to wait for: callbacks are recorded here."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._changed = threading.Condition()
        self._batches: dict[str, None] = {}
        self._work: deque[Callable[[], object]] = deque()
        self._at_work = False
        self._resting = True
        self._loop: Loop | None = None

    def ended(self, batch_id: str) -> None:
        """Look at a batch: a member's end is in the ledger; from any thread."""
        with self._changed:
            self._batches[batch_id] = None
            resting = self._resting
        if resting:
            self._wake()

    def submit(self, work: Callable[[], object]) -> None:
        """Do work that sees to its own errors; one of the database's ends the connection."""
        self._work.append(work)
        self._wake()

    def stop(self, *, seconds: float) -> None:
        """Do what was asked for by now, for so long at most, and end."""
        if self._loop is not None:
            with self._changed:
                self._changed.wait_for(self._is_idle, timeout=seconds)
            self._loop.stop(seconds=seconds)

    def one_pass(self) -> float:
        """Do what there is; return how long there is nothing to do."""
        rested, batches = self._resting and not self._work, self._take()
        try:
            while self._work:
                self._work.popleft()()
            for batch_id in batches:
                self._look(batch_id)
        finally:
            with self._changed:
                self._at_work = False
                self._changed.notify_all()
        if batches:
            return SPACING_SECONDS
        return IDLE_SECONDS if rested else QUIET_SECONDS

    def _wake(self) -> None:
        with self._changed:
            if self._loop is None:
                self._loop = Loop("following", self.one_pass, rests=True)
                self._loop.start()
        self._loop.wake()

    def _is_idle(self) -> bool:
        return not (self._batches or self._work or self._at_work)

    def _take(self) -> list[str]:
        with self._changed:
            batches, self._batches = list(self._batches), {}
            self._at_work = True
            # First this: whoever finds it resting wakes it.
            self._resting = not batches
        return batches

    def _look(self, batch_id: str) -> None:
        try:
            with answer_within(LOOK_SECONDS):
                batch_ends.look_after_many(self._app, batch_id)
        except Exception as error:
            if is_passing(error):
                # It ends the pass, and the connection with it: all that is left of it is the loop's.
                raise
            logger.exception("Batch %s could not be looked at; the loop tries again", batch_id)
