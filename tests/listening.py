"""Hears the events of a site's processes, as Flower does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.eventually import eventually
from tests.harness import Site


@contextmanager
def hearing(site: Site) -> Iterator[list[dict[str, Any]]]:
    """Collect all events inside; its workers need -E."""
    found: list[dict[str, Any]] = []
    over = threading.Event()
    connection = site.app.connection_for_read()
    receiver = site.app.events.Receiver(connection, handlers={"*": found.append})

    def capture() -> None:
        while not over.is_set():
            try:
                receiver.capture(limit=None, timeout=1, wakeup=False)
            except TimeoutError:
                continue

    thread = threading.Thread(target=capture, daemon=True)
    thread.start()
    try:
        eventually(lambda: bool(found), told="a heartbeat is heard")
        yield found
    finally:
        over.set()
        thread.join(10)
        connection.release()
