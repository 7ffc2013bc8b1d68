"""The record beside the ledger: what was sent and what bodies did, line by line, on disk before anybody goes on.

One `write` to a file opened with O_APPEND and one `fsync`: neither a kill nor a lost host takes a line back. Times are
read off the clock that all processes of a machine share and nobody can set, so a worker whose clock is wrong writes
the same times as the others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Seconds between the shared clock's zero and 1970, as the process saw them that began the run.
ZERO = "RECORD_ZERO"


def zero() -> float:
    """Return what turns the shared clock into seconds since 1970."""
    return time.time() - time.monotonic()


def now() -> float:
    """Return the seconds since 1970, the same in every process of a run."""
    told = os.environ.get(ZERO)
    return time.time() if told is None else time.monotonic() + float(told)


def append(path: str | Path, lines: Iterable[str]) -> None:
    """Write lines in one piece; they are on disk when this returns."""
    text = "".join(f"{line}\n" for line in lines)
    if not text:
        return
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, text.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def noted(request: Any, *more: str) -> Iterator[None]:
    """Note the start and the end of a body: job, token, process, time, task, the process's parent, and more."""
    about = f"{request.id} {token_of(request)} {os.getpid()}"
    _note(f"start {about}", request, *more)
    yield
    _note(f"end {about}", request, *more)


def token_of(request: Any) -> int:
    """Return the token of the attempt that runs; plain Celery has none."""
    return int(getattr(request, "holdfast", {}).get("token", 0))


def _note(text: str, request: Any, *more: str) -> None:
    name = str(request.task).rpartition(".")[2]
    said = [one.replace(" ", "_") for one in more]
    line = " ".join([text, f"{now():.3f}", name, str(os.getppid()), *said])
    append(os.environ["EFFECTS"], [line])
