"""What `manage.py holdfast doctor` says where Django's command line dies before any command is asked."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TextIO

from holdfast.doctor.command import main

_kept: list[TextIO] = []


def install() -> None:
    """Let an error that ends this process be told as a finding; it ends with 1 all the same.

    What the project prints while it loads goes to stderr where JSON was asked for, until `give_back`.
    """
    sys.excepthook = _tell
    if "--json" in sys.argv:
        _kept.append(sys.stdout)
        sys.stdout = sys.stderr


def give_back() -> None:
    """Let stdout be what it was."""
    if _kept:
        sys.stdout = _kept.pop()


def _tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if "--traceback" in sys.argv or not isinstance(error, Exception):
        sys.__excepthook__(kind, error, traceback)
    if isinstance(error, Exception):
        give_back()
        main(sys.argv[3:], failure=error)
