"""Keeps a fork from copying a database connection in use; runs in a worker's main process, which forks beside threads.

SQLite's mutexes and its note of which locks this process holds are the process's own: a child that inherits
them while a thread is inside waits for ever for nobody, and with a connection merely open it believes to hold
file locks that it does not. So a fork waits until no thread is inside, and closes what they left open.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.base.base import BaseDatabaseWrapper

from holdfast.ledger.database import connection

logger = logging.getLogger("holdfast.ledger")
# Longer than SQLite's usual wait for its one writer: forking beside a thread inside would hang the child.
SQLITE_SECONDS = 30.0
TURN_MILLISECONDS = 1000
# A server that does not answer must not keep the pool from replacing its processes.
SERVER_SECONDS = 0.2


class ForkGate:
    """Many threads may be at work; a fork waits for them to leave, and lets none in meanwhile."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._forking = False
        self._inside: set[int] = set()
        self._connections: dict[int, BaseDatabaseWrapper] = {}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Use the ledger's database inside; must not fork there, nor be entered twice."""
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not self._forking)
            self._inside.add(me)
            self._connections[me] = connection()
        try:
            _wait_in_short_turns(connection())
            yield
        finally:
            with self._changed:
                self._inside.discard(me)
                self._changed.notify_all()

    def before_fork(self) -> None:
        """Wait for the threads to leave, and close the SQLite connections of all, the forking thread's too."""
        with self._changed:
            self._forking = True
            if not self._connections:
                return
            here = connection()
            wait = SQLITE_SECONDS if here.vendor == "sqlite" else SERVER_SECONDS
            began = time.monotonic()
            if not self._changed.wait_for(lambda: not self._inside, timeout=wait):
                logger.warning(
                    "A process is forked while %d threads ask the database (waited %.1f s)",
                    len(self._inside),
                    time.monotonic() - began,
                )
            for thread, open_one in self._connections.items():
                if thread not in self._inside:
                    _close_sqlite(open_one)
            _close_sqlite(here)

    def after_in_parent(self) -> None:
        """Let the threads in again."""
        with self._changed:
            self._forking = False
            self._changed.notify_all()

    def after_in_child(self) -> None:
        """Begin anew: no other thread came along."""
        self._reset()


def _wait_in_short_turns(wrapper: BaseDatabaseWrapper) -> None:
    """Let who waits for SQLite's one writer give up soon and ask again: a fork waits for whoever is inside.

    The writer may be a body that only this process's event loop, which forks, can stop.
    """
    if wrapper.vendor == "sqlite":
        wrapper.ensure_connection()
        assert wrapper.connection is not None
        wrapper.connection.execute(f"PRAGMA busy_timeout = {TURN_MILLISECONDS}")


def _close_sqlite(wrapper: BaseDatabaseWrapper) -> None:
    if wrapper.vendor != "sqlite" or wrapper.connection is None or wrapper.in_atomic_block:
        return
    wrapper.inc_thread_sharing()
    try:
        wrapper.close()
    finally:
        wrapper.dec_thread_sharing()


gate = ForkGate()
os.register_at_fork(
    before=gate.before_fork,
    after_in_parent=gate.after_in_parent,
    after_in_child=gate.after_in_child,
)
