"""A consumer as a project may have one of its own that knows nothing of Holdfast."""

from __future__ import annotations

from typing import Any

from celery.worker.consumer.consumer import Consumer

from tests.project.tasks import note


class NotingConsumer(Consumer):  # type: ignore[misc]  # untyped in celery
    """Notes that it is used."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        note(f"consumer {[cls.__name__ for cls in type(self).__mro__[1:3]]}")
        super().__init__(*args, **kwargs)
