"""What a body logs is kept with its attempt: gathered in the process that runs it, capped, written with its end."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextvars import ContextVar, Token
from functools import cache

from holdfast.conf import get_settings
from holdfast.interruptions import let_out_interruption

# Celery's own words about an attempt, and ours, are not the body's.
_LEFT_OUT = ("celery", "holdfast")
_DAY = "%Y-%m-%d %H:%M:%S"


class Lines:
    """The lines of one attempt: the first and the last ones, and how many are left out between.

    Args:
        most: lines that are kept.
        size: bytes that they may have together.
        level: number of the lowest level that is kept.
    """

    def __init__(self, *, most: int, size: int, level: int) -> None:
        self.level = level
        self.last: logging.LogRecord | None = None
        self._most, self._size = most, size
        self._head: list[str] = []
        self._tail: deque[tuple[str, int]] = deque()
        self._head_size = self._tail_size = self._left_out = 0
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        """Take up one line; a very long one is cut."""
        line = _cut(_clean(line), self._size // 4)
        size = len(line.encode()) + 1
        with self._lock:
            is_full = self._tail or self._left_out or len(self._head) >= (self._most + 1) // 2
            if not is_full and self._head_size + size <= self._size // 2:
                self._head.append(line)
                self._head_size += size
                return
            self._tail.append((line, size))
            self._tail_size += size
            while len(self._tail) > self._most // 2 or self._tail_size > self._size // 2:
                self._tail_size -= self._tail.popleft()[1]
                self._left_out += 1

    def text(self) -> str:
        """Return all that is kept; empty if nothing was logged."""
        if not (self._head or self._tail or self._left_out):
            return ""
        with self._lock:
            gap = [f"... {self._left_out} lines left out"] if self._left_out else []
            return "\n".join([*self._head, *gap, *(line for line, _ in self._tail)])


class AttemptHandler(logging.Handler):
    """Gives each record to the attempt that logs it. Give it to loggers of yours that do not propagate."""

    def createLock(self) -> None:  # noqa: N802  # the name that logging gives it
        """Have none: each attempt has its own."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record up without a lock, which logging insists on from Python 3.13."""
        kept: object = self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record if a body logs it."""
        lines = _lines.get()
        if lines is None or record.levelno < lines.level or record is lines.last:
            return
        if record.name.partition(".")[0] in _LEFT_OUT:
            return
        lines.last = record
        try:
            lines.add(self.format(record))
        except Exception as error:  # noqa: BLE001  # a line that cannot be written is no reason to fail a job
            let_out_interruption(error)
            self.handleError(record)


_lines: ContextVar[Lines | None] = ContextVar("holdfast_log_lines", default=None)


def _new_handler() -> AttemptHandler:
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s", _DAY
    )
    formatter.converter = time.gmtime
    handler = AttemptHandler()
    handler.setFormatter(formatter)
    return handler


_handler = _new_handler()
# Where all loggers end, and where those of get_task_logger() do. Asked for once: to ask takes a lock of all threads.
_LOGGERS = (logging.getLogger(), logging.getLogger("celery.task"))


def new_lines() -> Lines | None:
    """Return where an attempt's lines go; None if none are kept."""
    settings = get_settings()
    if not settings.log_lines:
        return None
    for logger in _LOGGERS:
        # Looked at each time: Celery and others replace the handlers of a process when they like.
        if _handler not in logger.handlers:
            logger.addHandler(_handler)
    return Lines(
        most=settings.log_lines, size=settings.log_bytes, level=_number(settings.log_level)
    )


@cache
def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level]


class gathering:  # noqa: N801  # reads as a function; a generator costs each job twice as much
    """Keep what the code inside logs; not what threads log that it starts itself."""

    __slots__ = ("_into", "_reset")
    _reset: Token[Lines | None]

    def __init__(self, lines: Lines | None) -> None:
        self._into = lines

    def __enter__(self) -> None:
        self._reset = _lines.set(self._into)

    def __exit__(self, *_: object) -> None:
        _lines.reset(self._reset)


def _clean(line: str) -> str:
    """Return a text that every database can keep."""
    return line.replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode()


def _cut(line: str, most: int) -> str:
    data = line.encode()
    if len(data) <= most:
        return line
    return f"{data[:most].decode(errors='ignore')}... {len(data) - most} bytes left out"
