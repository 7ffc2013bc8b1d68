"""Signs of life for whoever supervises a process: a file whose time is young, and systemd's own messages.

The file needs no Python to be checked. It is gone once the process has ended in order, and old once it hangs. One that
says "ready" comes and goes: it is there while a worker takes jobs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

from celery.utils.nodenames import node_format

logger = logging.getLogger("holdfast.worker")


class AliveFile:
    """One small text file: its time says "alive", its lines what else is known."""

    def __init__(self, pattern: str, *, name: str, setting: str = "alive_file") -> None:
        """Take a path in which %n, %h and %d stand for parts of the name, as in Celery's own options.

        Empty: there is no file. `setting` is named where it cannot be written.
        """
        self._setting = setting
        self._path = Path(node_format(pattern, name)) if pattern else None
        self._text = ""
        self._complained = False
        self._writing = threading.Lock()
        self._removed = False
        # One that a former life left would be read as ours.
        self._unlink()

    def touch(self, lines: Mapping[str, str]) -> None:
        """Make its time now, and its lines these; written in one piece, and only when they change."""
        if self._path is None:
            return
        with self._writing:
            if not self._removed:
                self._write(
                    self._path, "".join(f"{name}: {value}\n" for name, value in lines.items())
                )

    def take_away(self) -> None:
        """Take it away until it is touched again."""
        with self._writing:
            self._unlink()

    def remove(self) -> None:
        """Take it away for good: who is about to touch it does nothing any more."""
        with self._writing:
            self._removed = True
            self._unlink()

    def _write(self, path: Path, text: str) -> None:
        try:
            if text != self._text or not path.exists():
                young = path.with_name(f".{path.name}.{os.getpid()}")
                young.write_text(text)
                young.replace(path)
                self._text = text
            os.utime(path)
        except OSError:
            if not self._complained:
                logger.exception(
                    "The file %s cannot be written: correct HOLDFAST[%r], or this process looks dead",
                    path,
                    self._setting,
                )
            self._complained = True

    def _unlink(self) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()


def tell_systemd(message: str) -> None:
    """Send systemd a message such as WATCHDOG=1, if it started this process and wants some."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
    ):
        # It must never hold up whoever tells that it is alive.
        sender.setblocking(False)  # noqa: FBT003  # the socket's own way to say it
        sender.sendto(message.encode(), address.replace("@", "\0", 1))
