"""Schedulers pass by pass, by a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdfast import Celery
from holdfast.beat.scheduler import Scheduler
from holdfast.ledger.database import dialect
from holdfast.testing.services import RedisServer
from tests.integration.schedules.passes import (
    Clock,
)
from tests.surroundings import current_app


@pytest.fixture
def clock(ledger: str, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(type(dialect()), "now", lambda _: clock.now)
    return clock


@pytest.fixture
def app(redis_server: RedisServer) -> Iterator[Celery]:
    with current_app(redis_server.url) as app:

        @app.task(name="schedules.note", shared=False)
        def note(*args: Any, **kwargs: Any) -> None:
            """Be called."""

        yield app


@pytest.fixture
def start(app: Celery, clock: Clock) -> Iterator[Callable[..., Scheduler]]:
    """Start a scheduler of the entries given last, in place of those before it or beside them."""
    started: list[Scheduler] = []

    def start(*, beside: bool = False, leads: bool = False, **entries: dict[str, Any]) -> Scheduler:
        if entries:
            app.conf.beat_schedule = entries
        for before in [] if beside or leads else started:
            before.close()
        scheduler = Scheduler(app)
        if leads:
            # It believes in its duty whatever others do, as one that froze and woke.
            scheduler._leader.leads = lambda: True  # type: ignore[method-assign]
        started.append(scheduler)
        return scheduler

    yield start
    for scheduler in started:
        scheduler.close()
