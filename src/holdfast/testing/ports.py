"""Ports for services that start a moment later, or again after a while: no two processes are given the same one."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from holdfast.testing.child import LOOPBACK, ServiceError

# Below the ports that systems give to outgoing connections, which would take one between two starts of its service.
FIRST, LAST = 15_000, 32_000
BLOCK = 100


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on, and that nobody else is given while this process lives.

    Raises:
        ServiceError: all ports are taken.
    """
    with _ports.lock, socket.socket() as probe:
        for port in _ports.here():
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise ServiceError(f"No port from {FIRST} to {LAST} is free: end what listens there.")


class _Ports:
    """Blocks of ports, each one process's by the lock on a file, which the system takes back with the process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._of = 0
        self._locks: list[BinaryIO] = []
        self._left: Iterator[int] = iter(())

    def here(self) -> Iterator[int]:
        """Yield ports that were not given out yet."""
        if self._of != os.getpid():
            # A fork: what its parent has is not its own. The parent's locks stay open in both.
            self._of, self._left = os.getpid(), self._blocks()
        return self._left

    def _blocks(self) -> Iterator[int]:
        folder = Path(tempfile.gettempdir(), f"holdfast-ports-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        for first in range(FIRST, LAST, BLOCK):
            lock = (folder / str(first)).open("wb")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            self._locks.append(lock)
            yield from range(first, first + BLOCK)


_ports = _Ports()
