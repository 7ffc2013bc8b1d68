"""Inside `celery beat`: a scheduler that may run many times over. Start it with `-S holdfast.beat:Scheduler`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.beat.scheduler import Scheduler as Scheduler

__all__ = ["Scheduler"]


def __getattr__(name: str) -> Any:
    # Looked up on first use: settings name it before Django is set up.
    if name != "Scheduler":
        raise AttributeError(f"module 'holdfast.beat' has no attribute {name!r}; it has: Scheduler")
    from holdfast.beat.scheduler import Scheduler

    return Scheduler
