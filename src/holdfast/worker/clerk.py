"""The one thread of a worker's main process that asks the ledger: the event loop must not wait for a database.

An idle worker's loop may, for a moment: it has nothing else to do, and two hand-overs between threads cost
more than a claim.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from holdfast.ledger.connections.forks import gate
from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import (
    close_connection,
    connection,
    dialect,
    is_passing,
    on_connection,
)

logger = logging.getLogger("holdfast.worker")
PAUSE = 0.5
# Between two passes while there is always something to do. What comes meanwhile shares the next statement, whose price
# is that of many jobs; nobody waits for it who has nothing else to do.
REST_SECONDS = 0.003
ANSWER_SECONDS = 10.0
# Longest wait of an event loop that borrows the desk, and how long it then leaves everything to the thread.
BORROW_SECONDS = 1.0
REFUSE_SECONDS = 30.0


class Clerk:
    """Runs work in order; what fails on a database that is away is asked again until it answers."""

    def __init__(self, idle: Callable[[], bool]) -> None:
        self._idle = idle
        self._work: deque[Callable[[], object]] = deque()
        self._ready = threading.Condition()
        self._stopping = False
        self._woken = self._waits = False
        self._pressed = self._rests = False
        self._desk = threading.Lock()
        self._connection: Any = None
        self._refused_until = 0.0
        self._thread = threading.Thread(target=self._run, name="holdfast-clerk", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def submit(self, work: Callable[[], object]) -> None:
        """Do this work soon; it may be done twice if the database breaks off in the middle."""
        with self._ready:
            self._work.append(work)
            self._ready.notify()

    def wake(self, *, at_once: bool = True) -> None:
        """Look whether there is something to do: at once, or when it has rested since the last look."""
        # First this, and whoever is about to wait looks at it last: one of the two sees the other.
        self._woken = True
        self._pressed = self._pressed or at_once
        if self._waits or (at_once and self._rests):
            with self._ready:
                self._ready.notify()

    @contextmanager
    def borrow(self) -> Iterator[bool]:
        """Give the desk with its connection to the calling thread; False if the clerk works or has none to lend.

        An error inside, a second without an answer included, ends the lending for a while.
        """
        if not self._desk.acquire(blocking=False):
            yield False
            return
        try:
            raw = getattr(self._connection, "connection", None)
            if raw is None or raw.closed or time.monotonic() < self._refused_until:
                yield False
                return
            with on_connection(self._connection), answer_within(BORROW_SECONDS):
                yield True
        except Exception:
            self._refused_until = time.monotonic() + REFUSE_SECONDS
            raise
        finally:
            self._desk.release()

    def stop(self, *, seconds: float) -> None:
        """Finish what was submitted, for so long at most."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        met_a_lock = False
        while True:
            with self._ready:
                # What met a lock waits until everybody else has had a turn, claims included.
                work = self._work.popleft() if self._work and not met_a_lock else None
                self._woken = self._pressed = False
                if self._stopping and work is None and not self._work:
                    break
            met_a_lock = False
            try:
                with gate.at_work(), self._desk, answer_within(ANSWER_SECONDS):
                    dialect().own_session()
                    self._offer()
                    nothing_to_do = work() is None if work is not None else self._idle()
                if work is None:
                    self._wait() if nothing_to_do else self._rest()
            except Exception as error:
                if work is not None and dialect().met_a_lock(error):
                    # A transaction of the project holds the row, for however long: nothing is wrong here.
                    met_a_lock = True
                    with self._ready:
                        self._work.append(work)
                    continue
                if work is not None and is_passing(error):
                    with self._ready:
                        self._work.appendleft(work)
                elif not is_passing(error):
                    logger.exception(
                        "Work for the ledger failed; the worker's audit will find what it left"
                    )
                with gate.at_work(), self._desk:
                    close_connection()
                time.sleep(PAUSE)
        with gate.at_work(), self._desk:
            close_connection()

    def _wait(self) -> None:
        with self._ready:
            self._waits = True
            if not (self._work or self._stopping or self._woken):
                self._ready.wait(PAUSE)
            self._waits = False

    def _rest(self) -> None:
        with self._ready:
            self._rests = True
            if not (self._work or self._stopping or self._pressed):
                self._ready.wait(REST_SECONDS)
            self._rests = False

    def _offer(self) -> None:
        # SQLite's connections stay where they are: there a claim may wait for the one writer.
        if self._connection is None and connection().vendor == "postgresql":
            self._connection = connection()
            self._connection.inc_thread_sharing()
