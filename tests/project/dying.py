"""Ends the process that imports it amid something, once, for tests of what it leaves.

`DIES_AFTER` names a function and how often it is called before, such as `holdfast.ledger.logs:keep:0`; `DIED` is
the file that says it has happened.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def _dying_after(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    left = [calls]

    def call(*args: Any, **kwargs: Any) -> Any:
        answer = function(*args, **kwargs)
        left[0] -= 1
        if left[0] < 0 and _is_the_first():
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return call


def _is_the_first() -> bool:
    try:
        Path(os.environ["DIED"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


if "DIES_AFTER" in os.environ:
    _module, _name, _calls = os.environ["DIES_AFTER"].split(":")
    _holder: Any = import_module(_module)
    *_classes, _name = _name.split(".")
    for _class in _classes:
        _holder = getattr(_holder, _class)
    setattr(_holder, _name, _dying_after(getattr(_holder, _name), int(_calls)))
