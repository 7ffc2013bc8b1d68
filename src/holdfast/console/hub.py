"""One snapshot for all watchers of a web process, every two seconds while somebody watches.

A thread takes them: it begins with the first watcher and ends after the last one. Who only asks once, such as a page or
a poll, gets the last snapshot, or takes one itself if that is old. A database that is away leaves the last snapshot
standing, with the reason; the thread goes on, and asks again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self, TypeVar, cast

from django.db import Error
from django.utils.translation import gettext as _

from holdfast.console.snapshots import Camera, Snapshot
from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import close_connection, connection

T = TypeVar("T")
logger = logging.getLogger("holdfast.console")
PAUSE_SECONDS = 2.0
# Snapshots may take this share of the time: of a slow or very busy ledger they are taken less often.
SHARE = 0.1
MOST_WATCHERS = 200
# A database that is silent for so long counts as away.
ANSWER_SECONDS = 10.0


class Full(Exception):
    """Too many watch already."""


class Watcher:
    """One who waits for snapshots in an event loop."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()

    def __enter__(self) -> Self:
        self._hub.add(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self._hub.remove(self)

    async def next(self, *, seconds: float) -> Snapshot | None:
        """Wait for the next snapshot; None if there is none for so long."""
        try:
            await asyncio.wait_for(self._told.wait(), seconds)
        except TimeoutError:
            return None
        self._told.clear()
        return self._hub.latest

    def tell(self) -> None:
        """Wake who waits; from another thread than its own."""
        try:
            self._loop.call_soon_threadsafe(self._told.set)
        except RuntimeError:  # its loop is closed: it will leave, or is gone
            self._hub.remove(self)


class Hub:
    """The snapshots of one process."""

    def __init__(
        self,
        camera: Callable[[], Any] = Camera,
        *,
        pause_seconds: float = PAUSE_SECONDS,
        most: int = MOST_WATCHERS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_camera = camera
        self._least_pause = pause_seconds
        self._most = most
        self._monotonic = monotonic
        self.begin()

    def begin(self) -> None:
        """Begin with nothing: a child has neither the thread nor the watchers, and maybe a lock that nobody frees."""
        self._state = threading.Lock()
        self._taking = threading.Lock()
        self._camera = self._new_camera()
        self._watchers: set[Watcher] = set()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._pause = self._least_pause
        self._taken_at = float("-inf")
        self._keeping = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}
        self.latest = Snapshot()

    @property
    def is_full(self) -> bool:
        """Whether nobody else may watch."""
        return len(self._watchers) >= self._most

    @property
    def is_watching(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None

    def watch(self) -> Watcher:
        """Return a watcher for the running event loop; it counts inside `with`, which raises `Full` if it may not."""
        return Watcher(self)

    def current(self) -> Snapshot:
        """Return a snapshot that is about two seconds old at most; if there is none, take it here and now."""
        if self._is_fresh():
            return self.latest
        with self._taking:
            return self.latest if self._is_fresh() else self._renew()

    def kept(self, name: str, make: Callable[[], T], *, seconds: float) -> T:
        """Return what was made under this name a moment ago, or make it for all who ask in the next seconds.

        While the database is away it stays as it was.
        """
        with self._keeping:
            until, made = self._kept.get(name, (float("-inf"), None))
            if self._monotonic() >= until:
                try:
                    made = make()
                except Error:
                    if made is None:
                        raise
                self._kept[name] = (self._monotonic() + seconds, made)
            return cast("T", made)

    def _is_fresh(self) -> bool:
        # While the thread runs its next snapshot is under way.
        slack = 1.5 if self.is_watching else 1.0
        return self._monotonic() - self._taken_at < self._pause * slack

    def _renew(self) -> Snapshot:
        """Take a snapshot, or note why there is none; whoever calls has the lock."""
        began = self._monotonic()
        try:
            with answer_within(ANSWER_SECONDS):
                taken = self._camera.take()
        except Error as error:
            logger.warning("The console's snapshot: the database does not answer (%s)", error)
            told = _("The ledger's database does not answer: %(error)s") % {"error": error}
            taken = replace(self.latest, error=str(told).strip())
        except Exception as error:
            logger.exception("The console's snapshot failed; the next one tries again")
            taken = replace(self.latest, error=str(error))
        self._taken_at = self._monotonic()
        self._pause = max(self._least_pause, (self._taken_at - began) / SHARE)
        self.latest = replace(taken, version=self.latest.version + 1)
        return self.latest

    def add(self, watcher: Watcher) -> None:
        """Let one watch; the first starts the thread.

        Raises:
            Full: too many watch already.
        """
        with self._state:
            if self.is_full:
                raise Full
            self._watchers.add(watcher)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="holdfast-hub", daemon=True)
                self._thread.start()

    def remove(self, watcher: Watcher) -> None:
        """Let one go; after the last the thread ends."""
        with self._state:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._wake.set()

    def _run(self) -> None:
        try:
            while self._go_on():
                self._wake.wait(self._pause)
                self._wake.clear()
        finally:
            with self._state:
                if self._thread is threading.current_thread():
                    self._thread = None
            close_connection()

    def _go_on(self) -> bool:
        """Take a snapshot and tell everybody; False: nobody watches any more."""
        with self._state:
            if not self._watchers:
                # Under the lock: who comes now starts another thread.
                self._thread = None
                return False
        with self._taking:
            connection().close_if_unusable_or_obsolete()
            self._renew()
            if self.latest.error:
                close_connection()
        with self._state:
            watchers = tuple(self._watchers)
        for watcher in watchers:
            watcher.tell()
        return True


hub = Hub()
os.register_at_fork(after_in_child=hub.begin)
