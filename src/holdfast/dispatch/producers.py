"""A producer taken from the pool when something is published with it: a durable call, which is a row, needs none."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any


class LateConnection:
    """Stands where Celery expects that producer's connection; everything asked of it goes to the real one."""

    def __init__(self, producer: LateProducer) -> None:
        self._producer = producer

    def _reraise_as_library_errors(self) -> AbstractContextManager[None]:
        """Celery wraps each call in its translation of errors; `publish` does that itself."""
        return nullcontext()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer.real().connection, name)


class LateProducer:
    """Stands where Celery expects a producer; everything asked of it goes to a real one."""

    def __init__(self, acquire: Any) -> None:
        self._acquire = acquire
        self._real: Any = None
        self._taken = ExitStack()

    @property
    def connection(self) -> LateConnection:
        """The connection of the real one, which Celery asks for before it is known whether it is needed."""
        return LateConnection(self)

    def revive(self, channel: Any) -> None:
        """Begin anew on a channel or connection, after an error."""
        real = self.real()
        real.revive(real.connection if isinstance(channel, LateConnection) else channel)

    def publish(self, *args: Any, **kwargs: Any) -> Any:
        """Publish as the real producer does, with its connection's errors."""
        real = self.real()
        with real.connection._reraise_as_library_errors():
            return real.publish(*args, **kwargs)

    def real(self) -> Any:
        """Take a producer from the pool, once."""
        if self._real is None:
            self._real = self._taken.enter_context(self._acquire())
        return self._real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real(), name)

    def release(self) -> None:
        """Give it back."""
        self._taken.close()
