"""Tasks for tests: each leaves the way its name says, and notes its effects in a file outside the database."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import shared_task


def note(text: str) -> None:
    """Append one line to the record of effects; one write, so that lines of many processes do not mix."""
    fd = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, f"{text}\n".encode())
    finally:
        os.close(fd)


@shared_task
def add(x: int, y: int) -> int:
    return x + y


@shared_task
def effect(name: str, seconds: float = 0.0) -> str:
    note(f"start {name}")
    time.sleep(seconds)
    note(f"end {name}")
    return name


@shared_task(ignore_result=True)
def noop() -> None:
    pass
