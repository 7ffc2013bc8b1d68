"""Workers and schedulers begin to watch, where the project names a channel; connected when Django is set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def start_if_wanted(settings: Any) -> None:
    """Have the processes that may watch begin with it once they are ready."""
    said = getattr(settings, "HOLDFAST", None)
    if not isinstance(said, Mapping) or not said.get("alerts"):
        return
    from celery import signals

    from holdfast.alerts import watching

    for begun in (signals.worker_ready, signals.beat_init):
        begun.connect(watching.start, weak=False, dispatch_uid="holdfast.alerts")
    for over in (signals.worker_shutting_down, signals.worker_shutdown):
        over.connect(watching.stop, weak=False, dispatch_uid="holdfast.alerts")
