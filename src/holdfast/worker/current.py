"""Which intake is this process's: one worker per process, and the request class and the strategies look for it here."""

from __future__ import annotations

from typing import Any

from holdfast.worker.intake import Intake

_current: dict[int, Intake] = {}


def current_intake(app: Any) -> Intake:
    """Return this process's intake for an app, made at first use."""
    found = _current.get(id(app))
    if found is None:
        found = _current[id(app)] = Intake(app)
    return found
