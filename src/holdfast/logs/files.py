"""A log file that the processes of a worker write together, and that is turned over when it is full."""

from __future__ import annotations

import fcntl
import logging
import os
from logging.handlers import WatchedFileHandler
from pathlib import Path


class SharedRotatingFileHandler(WatchedFileHandler):
    """Appends to a file; when it has `most_bytes` it becomes file.1, that one file.2, and so on up to `kept`.

    Each line is one write to a file opened for appending, so that lines of several processes do not mix. Whoever finds
    the file full turns it over under a lock in `<file>.lock`; the others notice that it is another file, and open it. A
    process that dies in the middle leaves the lock, which the system takes from it, and at worst a number that is free.
    """

    def __init__(
        self, filename: str, *, most_bytes: int = 50_000_000, kept: int = 5, encoding: str = "utf-8"
    ) -> None:
        """Take the file's path; its folder is made. `most_bytes` of 0 never turns it over."""
        Path(filename).resolve().parent.mkdir(parents=True, exist_ok=True)
        self.most_bytes, self.kept = most_bytes, kept
        super().__init__(filename, mode="a", encoding=encoding, delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, after turning the file over if it is full."""
        try:
            self._turn_over_if_full()
        except OSError:
            self.handleError(record)
        super().emit(record)

    def _turn_over_if_full(self) -> None:
        if not self.most_bytes or not self._is_full():
            return
        with Path(f"{self.baseFilename}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have done it while this one waited.
            if self._is_full():
                self._turn_over()

    def _is_full(self) -> bool:
        try:
            return os.stat(self.baseFilename).st_size >= self.most_bytes  # noqa: PTH116  # for each line
        except FileNotFoundError:
            return False

    def _turn_over(self) -> None:
        base = self.baseFilename
        if self.kept < 1:
            Path(base).unlink()
            return
        for number in range(self.kept - 1, 0, -1):
            older = Path(f"{base}.{number}")
            if older.exists():
                older.replace(f"{base}.{number + 1}")
        Path(base).replace(f"{base}.1")
