"""Ends a wait for a database that has gone silent: no timeout of the server or of TCP does, if packets just vanish.

One thread per process watches the connections of the threads that asked for it. When a statement takes
longer than its thread allowed, the socket is shut down, and the statement fails like any broken connection.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from holdfast.ledger.database import connection, kept_whole

logger = logging.getLogger("holdfast.ledger")
LOOK_SECONDS = 0.5
CONNECT_SECONDS = 5
_lock = threading.Lock()
_deadlines: dict[int, tuple[float, Any]] = {}
_thread: list[threading.Thread] = []


@contextlib.contextmanager
def answer_within(seconds: float, *, first: float | None = None) -> Iterator[None]:
    """Let the ledger work inside fail if it takes longer; only a connection over a socket can be cut.

    With `first` its first statement is to be answered sooner: long work may be given its time, and a connection whose
    far end is gone is found out all the same.
    """
    here = connection()
    if here.vendor != "postgresql":
        with kept_whole():
            yield
        return
    me, began = threading.get_ident(), time.monotonic()
    patience = seconds if first is None else min(first, seconds)
    try:
        _allow(me, here, began + patience)
        with kept_whole(), contextlib.ExitStack() as around:
            if patience < seconds:
                answered = _FirstAnswer(partial(_allow, me, here, began + seconds))
                around.enter_context(here.execute_wrapper(answered))
            yield
    finally:
        with _lock:
            _deadlines.pop(me, None)


def connect_within(seconds: int) -> None:
    """Connect this thread to the ledger, unless it is; a host that has gone silent is given up after so many seconds.

    Otherwise a connect waits for more than two minutes. A `connect_timeout` of the project's own goes before.

    Raises:
        OperationalError: the database refuses, or does not answer in time.
    """
    here = connection()
    if here.connection is not None or here.vendor != "postgresql":
        return
    stated = here.settings_dict
    # On this thread's connection alone: those of the project wait as long as its settings say.
    here.settings_dict = _impatient(stated, seconds)
    try:
        here.ensure_connection()
    finally:
        here.settings_dict = stated


def connect_soon() -> None:
    """Let no connect of this process wait longer for the ledger's host, unless the project says so itself."""
    here = connection()
    if here.vendor == "postgresql":
        here.settings_dict["OPTIONS"].setdefault("connect_timeout", _Ours(CONNECT_SECONDS))


def states_a_bound(options: Mapping[str, Any]) -> bool:
    """Tell whether the project says how long a connect may take: here, to the client library, or in a service."""
    said = options.get("connect_timeout", os.environ.get("PGCONNECT_TIMEOUT"))
    # To libpq 0 is no bound at all.
    return "service" in options or (not isinstance(said, _Ours) and str(said or 0) != "0")


def _impatient(stated: dict[str, Any], seconds: int) -> dict[str, Any]:
    return {**stated, "OPTIONS": {"connect_timeout": seconds, **stated.get("OPTIONS", {})}}


class _Ours(int):
    """Seconds that this process has set itself, for the project says nothing."""


class _FirstAnswer:
    """Around every statement: tells once that one was answered."""

    def __init__(self, answered: Callable[[], None]) -> None:
        self._answered: Callable[[], None] | None = answered

    def __call__(self, execute: Callable[..., Any], *statement: Any) -> Any:
        result = execute(*statement)
        if self._answered is not None:
            self._answered()
            self._answered = None
        return result


def _allow(me: int, here: Any, deadline: float) -> None:
    with _lock:
        _deadlines[me] = (deadline, here)
        _start()


def _start() -> None:
    if not _thread or not _thread[0].is_alive():
        # After a fork the parent's thread is not there.
        _thread[:] = [threading.Thread(target=_watch, name="holdfast-watchdog", daemon=True)]
        _thread[0].start()


def _watch() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        now = time.monotonic()
        with _lock:
            late = [key for key, (deadline, _) in _deadlines.items() if now > deadline]
            cut = [_deadlines.pop(key)[1] for key in late]
        for here in cut:
            _shut_down(here)


def _shut_down(here: Any) -> None:
    raw = here.connection
    if raw is None:
        return
    logger.warning("The database does not answer: its connection is cut")
    # The descriptor is copied: the thread that waits stays the owner of its own.
    with (
        contextlib.suppress(Exception),
        socket.socket(fileno=os.dup(raw.fileno())) as copy,
    ):
        copy.shutdown(socket.SHUT_RDWR)


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  # the parent's lock may be held by a thread that is not here
    _lock = threading.Lock()
    _deadlines.clear()


os.register_at_fork(after_in_child=_after_fork)
