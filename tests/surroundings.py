"""What a test process takes over from the site it enters: its database and its app, and nothing of a shell's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from celery import _state as celery_state
from django.db import connections

from holdfast import Celery
from tests import settings as product

# Variables of a developer's shell that would send a test's jobs somewhere else.
OVERRULING = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_RESULT_BACKEND",
    "REDIS_URL",
    "DATABASE_URL",
)


def inherited() -> dict[str, str]:
    """Return this process's environment without what would lead elsewhere."""
    return {key: value for key, value in os.environ.items() if key not in OVERRULING}


@contextmanager
def database(alias: str, url: str) -> Iterator[None]:
    """Let this process reach a database by an alias."""
    parts: dict[str, Any] = dict(connections.settings["default"]) | product._database(url)
    if urlsplit(url).scheme != "sqlite":
        parts["CONN_MAX_AGE"] = None
    connections.settings[alias] = parts
    try:
        yield
    finally:
        connections[alias].close()
        # The next database of this alias would find this connection, and with it this database.
        del connections[alias]


@contextmanager
def current_app(broker_url: str, **settings: Any) -> Iterator[Celery]:
    """Make an app of our own, with settings of Celery's, the one that tasks and results of this process belong to."""
    state: Any = celery_state
    before = (state.default_app, state._tls.current_app)
    app = Celery("tests.project", broker=broker_url, set_as_current=False)
    app.conf.update(settings)
    app.finalize()
    app.set_default()
    app.set_current()
    try:
        yield app
    finally:
        app.outbox.publisher.close()
        # Its pool is left alone: kombu shares one among all apps with the same address.
        app.close()
        state.default_app, state._tls.current_app = before


@contextmanager
def shop_app(redis_url: str, *, number: int) -> Iterator[Celery]:
    """Make an app the current one whose broker is a numbered database of a Redis, emptied, and which has one task."""
    with current_app(f"{redis_url.rpartition('/')[0]}/{number}") as app:
        app.outbox.publisher.client().flushdb()

        @app.task(name="shop.charge", shared=False)
        def charge(card: str, amount: int, api_token: str = "") -> None:
            """Never run here."""

        yield app
