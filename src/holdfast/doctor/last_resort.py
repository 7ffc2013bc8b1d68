"""What `manage.py holdfast doctor` says where Django's command line dies before any command is asked."""

from __future__ import annotations

import sys
from types import TracebackType

from holdfast.doctor.command import main


def install() -> None:
    """Let an error that ends this process be told as a finding; it ends with 1 all the same."""
    sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if "--traceback" in sys.argv or not isinstance(error, Exception):
        sys.__excepthook__(kind, error, traceback)
    if isinstance(error, Exception):
        main(sys.argv[3:], failure=error)
