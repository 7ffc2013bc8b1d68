"""Lets the signal of a soft time limit strike a call at every step, or where it waits for the database."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import django
import psycopg
import redis
from billiard.pool import soft_timeout_sighandler
from celery.exceptions import SoftTimeLimitExceeded

import holdfast

PLACES = tuple(
    str(Path(module.__file__ or "").parent) + os.sep
    for module in (holdfast, django, psycopg, redis)
)
_STEPS = ("call", "c_return")


@contextmanager
def limited() -> Iterator[None]:
    """Do with the signal what a process of a prefork pool does."""
    before = signal.signal(signal.SIGUSR1, soft_timeout_sighandler)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def strike() -> None:
    """Send this process the signal of a soft time limit."""
    os.kill(os.getpid(), signal.SIGUSR1)


def is_struck(call: Callable[[], Any], *, at: int) -> bool:
    """Strike a call at its step of that number, in Holdfast or one of its libraries; False: it was over before.

    Steps are where Python looks for signals: as a function begins, and as one written in C is back.

    Raises:
        AssertionError: the limit struck and did not come out.
    """
    passed, where = 0, ""

    def step(frame: FrameType, event: str, _: object) -> None:
        nonlocal passed, where
        code = frame.f_code
        # A generator that is given up midway has nobody to tell, here and only here.
        if event in _STEPS and code.co_filename.startswith(PLACES) and code.co_name != "<genexpr>":
            passed += 1
            if passed == at:
                where = f"{event} at {code.co_filename}:{frame.f_lineno}"
                sys.setprofile(None)
                strike()

    came_out = False
    with limited():
        before = sys.getprofile()
        sys.setprofile(step)
        try:
            call()
        except SoftTimeLimitExceeded:
            came_out = True
        finally:
            sys.setprofile(before)
    assert came_out == bool(where), f"the limit was lost that struck at {where}"
    return came_out
