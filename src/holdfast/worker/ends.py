"""Ends that attempts have left to their worker's main process: the clerk writes all that have come with one commit.

What comes while one commit runs, and in the few milliseconds after it, is the next batch. What if the process dies
here? The rows are running still; the lease gives the jobs to others, as if their attempts had been cut off.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from holdfast.ledger import transitions
from holdfast.ledger.database import dialect, is_passing
from holdfast.ledger.ends import succeed_many
from holdfast.ledger.records import End, Hold

logger = logging.getLogger("holdfast.worker")
MOST = 1000
# What ends bring along, results and lines: no statement is much larger.
MOST_BYTES = 4 * 1024 * 1024
# An end whose row somebody's transaction holds is asked for again after so long, and keeps nothing else waiting.
LOCKED_PAUSE = 0.2


@dataclass(slots=True)
class Left:
    """An end that waits to be written, and who is told when it is."""

    end: End
    then: Callable[[], Any] | None = None
    # Writes it with what it sends on; False: the job has moved on. For ends that may complete a chord.
    alone: Callable[[], bool] | None = None
    again_at: float = 0.0


class Ends:
    """What has ended here and is not yet in the ledger; filled from any thread, written by the clerk's."""

    def __init__(
        self,
        worker: Callable[[], UUID],
        wake: Callable[[], None],
        aside: Callable[[Callable[[], object]], None],
    ) -> None:
        """Serve one incarnation.

        Args:
            worker: which one.
            wake: tells the clerk that there is something to write.
            aside: has work done by another thread, which may take long.
        """
        self._worker = worker
        self._wake = wake
        self._aside = aside
        self._waiting: deque[Left] = deque()
        self._unwritten: dict[Hold, Left] = {}
        self._written = threading.Condition()

    def __contains__(self, hold: object) -> bool:
        return hold in self._unwritten

    def __len__(self) -> int:
        return len(self._unwritten)

    def add(
        self,
        end: End,
        *,
        then: Callable[[], Any] | None = None,
        alone: Callable[[], bool] | None = None,
    ) -> None:
        """Have an end written soon; `then` is called in the thread that has, once it is in the ledger."""
        left = Left(end, then, alone)
        self._unwritten[end.hold] = left
        self._waiting.append(left)
        self._wake()

    def write(self) -> bool:
        """Write what has come; True when there was nothing to do. What an error leaves unwritten is written again."""
        batch = self._next_batch()
        if not batch:
            return True
        try:
            self._write(batch)
        except Exception as error:
            if _is_the_database(error):
                self._waiting.extendleft(reversed(batch))
                raise
            # Something about one of them is in the way, and the others are not to suffer.
            self._write_apart(deque(batch))
        return False

    def drop(self) -> None:
        """Forget all of them: the lease is lost, and these jobs are somebody else's."""
        self._waiting.clear()
        self._unwritten.clear()
        self._tell_if_none_is_left()

    def await_written(self, *, seconds: float) -> bool:
        """Wait until all that has come is in the ledger; False if the time was over before that."""
        with self._written:
            return self._written.wait_for(lambda: not self._unwritten, timeout=seconds)

    def _next_batch(self) -> list[Left]:
        if not self._waiting:
            return []
        batch: list[Left] = []
        later: list[Left] = []
        worker, now = self._worker(), time.monotonic()
        size = 0
        while self._waiting and len(batch) < MOST and size < MOST_BYTES:
            left = self._waiting.popleft()
            if left.end.hold.worker != worker:
                # Of a lease that was lost meanwhile.
                self._unwritten.pop(left.end.hold, None)
            elif left.again_at > now:
                later.append(left)
            else:
                batch.append(left)
                size += left.end.size
        self._waiting.extend(later)
        return batch

    def _write(self, batch: Sequence[Left]) -> None:
        written, locked, last = succeed_many([left.end for left in batch])
        again, apart = {end.hold for end in locked}, {end.hold for end in last}
        for left in batch:
            if left.end.hold in again:
                self._put_off(left)
            elif left.end.hold in apart:
                self._aside(partial(self._write_alone, left))
            else:
                self._over(left, written=left.end.hold.id in written)
        self._tell_if_none_is_left()

    def _write_apart(self, batch: deque[Left]) -> None:
        while batch:
            try:
                self._write_one(batch[0])
            except Exception:
                self._waiting.extendleft(reversed(batch))
                raise
            batch.popleft()

    def _write_one(self, left: Left) -> None:
        try:
            self._write([left])
        except Exception as error:
            if _is_the_database(error):
                raise
            if dialect().met_a_lock(error):
                self._put_off(left)
            elif left.end.log:
                # Lines that cannot be written are no reason to fail a job.
                logger.exception("Job %s ends without the lines of its attempt", left.end.hold.id)
                left.end = left.end._replace(log="")
                self._write_one(left)
            else:
                self._fail(left, error)

    def _write_alone(self, left: Left) -> None:
        """Write an end with all that it sends on; in another thread than the clerk's."""
        assert left.alone is not None
        try:
            try:
                written = left.alone()
            except Exception as error:
                if is_passing(error):
                    raise
                self._fail(left, error)
            else:
                self._over(left, written=written)
                self._tell_if_none_is_left()
        except Exception:
            self._put_off(left)
            raise

    def _over(self, left: Left, *, written: bool) -> None:
        self._unwritten.pop(left.end.hold, None)
        if not written:
            logger.info("Job %s has moved on: its attempt here changes nothing", left.end.hold.id)
        elif left.then is not None:
            try:
                left.then()
            except Exception:
                logger.exception("Nobody could be told of the end of job %s", left.end.hold.id)

    def _put_off(self, left: Left) -> None:
        left.again_at = time.monotonic() + LOCKED_PAUSE
        self._waiting.append(left)

    def _fail(self, left: Left, error: Exception) -> None:
        """Fail a job whose end the database refuses for good, as its attempt would have where it ran."""
        hold = left.end.hold
        logger.error("Job %s has failed: its end cannot be written", hold.id, exc_info=error)
        kind = type(error).__name__
        transitions.fail(hold, stored=None, error=repr(error), kind=kind, told=False)
        self._over(left, written=True)
        self._tell_if_none_is_left()

    def _tell_if_none_is_left(self) -> None:
        if not self._unwritten:
            with self._written:
                self._written.notify_all()


def _is_the_database(error: Exception) -> bool:
    """Tell an error that has nothing to do with the rows: asked again, it may be gone."""
    return is_passing(error) and not dialect().met_a_lock(error)
