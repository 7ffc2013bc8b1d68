"""What a probe may look at: settings, Celery's app, the broker, the ledger's database; each is asked for when used."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast.doctor.probing import SECONDS
from holdfast.doctor.surroundings import Surroundings

if TYPE_CHECKING:
    from celery import Celery
    from django.db.backends.base.base import BaseDatabaseWrapper

    from holdfast.broker.places import Place
    from holdfast.conf import Settings


class Look:
    """One examination's view of the project. Probes run in threads of their own and share it.

    What several probes use is read once: `facts` is theirs to fill, by names like "broker.info".
    """

    def __init__(self, *, deploy: bool = False, seconds: float = SECONDS) -> None:
        self.deploy = deploy
        self.surroundings = Surroundings.read()
        self.facts: dict[str, Any] = {}
        """What was seen, healthy or not: values for JSON, by name; the triage decides by them."""
        self.seconds = seconds
        self._lock = threading.RLock()
        self._once: dict[str, Any] = {}
        self._here = threading.local()

    # -- what is set ------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """Holdfast's settings."""
        from holdfast.conf import get_settings

        return get_settings()

    @property
    def django(self) -> Any:
        """Django's settings."""
        from django.conf import settings

        return settings

    @property
    def app(self) -> Celery:
        """The project's Celery app."""
        from celery.app import app_or_default

        return app_or_default()

    @property
    def conf(self) -> Any:
        """Celery's settings."""
        return self.app.conf

    # -- the broker -------------------------------------------------------------------------------

    @property
    def places(self) -> list[Place]:
        """Where the broker is, by its URLs: one for each host, malformed ones too."""
        from holdfast.broker.places import places

        return self.once("places", lambda: places(self.conf))

    def redis(self) -> Any:
        """Return a Redis client on the path that calls take (TLS, password, Sentinel), with short waits.

        Each probe has its own; it is closed with the probe. Any error of the client library may be raised.
        """
        from holdfast.broker.looking import client

        found = getattr(self._here, "client", None)
        if found is None:
            found = self._here.client = client(self.app, seconds=self.seconds_left() / 2)
        return found[0]

    def amqp(self) -> None:
        """Open a connection to a broker that is no Redis, and close it; any error of its library may be raised."""
        from holdfast.broker.looking import greet

        greet(self.app, seconds=self.seconds_left() / 2)

    def info(self) -> Mapping[str, Any]:
        """Return what the Redis server says of itself, asked once: INFO of all sections."""
        return self.once("broker.info", lambda: self.redis().info("everything"))

    def config(self, name: str) -> str | None:
        """Return a value of the Redis server's configuration; None where it does not show it."""
        shown = self.once("broker.config", lambda: _configuration(self.redis()))
        return None if shown is None else shown.get(name)

    # -- the database -----------------------------------------------------------------------------

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """This probe's own connection to the ledger's database; closed with the probe."""
        from holdfast.ledger.database import connection

        return connection()

    @property
    def vendor(self) -> str:
        """`postgresql` or `sqlite`."""
        return str(self.connection.vendor)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, ended by PostgreSQL itself when the probe's time is over.

        Raises:
            DatabaseError: what the database says.
        """
        from django.db import transaction

        connection = self.connection
        if connection.vendor != "postgresql":
            # Without a transaction: SQLite's would take the lock of whoever writes.
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return list(cursor.fetchall())
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            # Local to the transaction: a pooler gives the connection to somebody else afterwards.
            milliseconds = max(1, int(self.seconds_left() * 1000))
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true)", [f"{milliseconds}ms"]
            )
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def now(self) -> datetime:
        """Return the time by the database's clock, which is the one that counts."""
        from holdfast.ledger.database import dialect

        return dialect().now()

    # -- time and sharing -------------------------------------------------------------------------

    def seconds_left(self) -> float:
        """Return how much of its time this probe has left, at least a little."""
        until = getattr(self._here, "until", None)
        return self.seconds if until is None else max(0.05, until - time.monotonic())

    def once(self, name: str, ask: Any) -> Any:
        """Return what another probe has read under this name, or ask and keep the answer; errors are not kept."""
        with self._lock:
            lock = self._once.setdefault(f"{name}.lock", threading.Lock())
        with lock:
            if name not in self._once:
                self._once[name] = ask()
            return self._once[name]

    @contextmanager
    def during(self, seconds: float) -> Iterator[None]:
        """Give this thread's probe its time, and close what it has opened at the end."""
        self._here.until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._close()

    def _close(self) -> None:
        found = self._here.__dict__.pop("client", None)
        if found is not None:
            found[1]()
        self._here.__dict__.clear()
        from django.conf import settings
        from django.db import connections

        if settings.configured:
            connections.close_all()


def _configuration(client: Any) -> dict[str, str] | None:
    try:
        return {str(name): str(value) for name, value in client.config_get("*").items()}
    except Exception:  # noqa: BLE001  # hosts rename or forbid the command, each with an error of its own
        return None
