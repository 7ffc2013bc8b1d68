"""Where messages go in tests: nowhere. The rows of the ledger are real, and no Redis is asked for anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Self
from unittest import mock

from holdfast.broker.publisher import Publisher, Unavailable
from holdfast.broker.transport import Channel
from holdfast.tickets import Ticket


class Road:
    """Whether the broker of the tests takes messages; `faults.broker_down` closes it."""

    is_open = True


road = Road()


class NullPublisher(Publisher):
    """Takes every ticket and keeps none: in a test it is the drain that finds the jobs, in the ledger."""

    @property
    def available(self) -> bool:
        """Whether tickets are taken."""
        return road.is_open

    @available.setter
    def available(self, _: bool) -> None:
        """Keep what the test has said."""

    def publish(self, tickets: Sequence[Ticket]) -> None:
        """Drop the tickets, or refuse them as a broker does that is away."""
        if not road.is_open:
            raise Unavailable("holdfast.testing: the broker is down", rest=tickets)

    def client(self) -> Any:
        """Return None, as on a broker that is not Redis."""

    def channel(self) -> Channel | None:
        """Return None, as on a broker that is not Redis."""
        return None

    def is_reachable(self) -> bool:
        """Tell what the test has said."""
        return road.is_open


class NullConnection:
    """Has no errors of its own."""

    def _reraise_as_library_errors(self) -> AbstractContextManager[None]:
        return nullcontext()


class NullProducer:
    """Drops the messages of `durable=False` calls, and Celery's events; the pool is asked for it in Celery's words."""

    connection = NullConnection()

    def __init__(self, **_: Any) -> None:
        pass

    def publish(self, *_: Any, **__: Any) -> None:
        """Drop a message."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def sending_nowhere(app: Any) -> Iterator[None]:
    """Let nothing that this app sends leave the process, and let everything durable be recorded."""
    eager = app.conf.task_always_eager
    # Settings for tests often have it, and a call that runs at once is never recorded.
    app.conf.task_always_eager = False
    try:
        with (
            mock.patch.object(app.outbox, "publisher", NullPublisher(app)),
            mock.patch.object(app, "_acquire_producer", NullProducer),
        ):
            yield
    finally:
        app.conf.task_always_eager = eager
