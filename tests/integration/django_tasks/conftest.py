"""An app whose broker is not there, and what `task_enqueued` told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from holdfast import Celery
from holdfast.dispatch.django_api import (
    task_enqueued,
)
from tests.surroundings import current_app


@pytest.fixture
def app(ledger: str) -> Iterator[Celery]:
    """An app whose broker is not there: what is enqueued stays in the ledger."""
    with current_app("redis://127.0.0.1:1/0") as app:
        yield app
        app.outbox.publisher.available = True  # ends its probe


@pytest.fixture
def told() -> Iterator[list[tuple[Any, Any]]]:
    """What `task_enqueued` told: (sender, result)."""
    heard: list[tuple[Any, Any]] = []

    def hear(sender: Any, task_result: Any, **_: Any) -> None:
        heard.append((sender, task_result))

    task_enqueued.connect(hear)
    yield heard
    task_enqueued.disconnect(hear)
