"""A Redis client to look with, on the path that calls take; in whatever process asks the doctor."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from holdfast.broker.publisher import _impatient
from holdfast.broker.transport import Channel


class NoRedis(Exception):
    """The broker is of another kind."""


def client(app: Any, *, seconds: float) -> tuple[Any, Callable[[], None]]:
    """Return a connected client with short waits, and what closes it.

    Any error of the client library may be raised, and `NoRedis`.
    """
    connection = app.connection_for_write(connect_timeout=seconds, heartbeat=0)
    connection.transport_options = _impatient(connection, seconds)
    try:
        channel = connection.default_channel
        if not isinstance(channel, Channel):
            raise NoRedis("the broker is no Redis")
        channel.async_pool.disconnect()
        found = channel.Client(connection_pool=channel.pool)
        found.ping()
    except BaseException:
        connection.release()
        raise
    return found, connection.release


class Refusal(StrEnum):
    """Why a broker that listens lets nobody in."""

    NO_PASSWORD = "no password"  # noqa: S105  # the name of a refusal
    WRONG_PASSWORD = "wrong password"  # noqa: S105  # the same
    NO_PERMISSION = "no permission"
    NO_DATABASE = "no database"
    CLUSTER = "cluster"
    LOADING = "loading"
    FULL = "full"
    CANNOT_SAVE = "cannot save"
    NO_MASTER = "no master"
    MASTER_AWAY = "master away"
    SILENT = "silent"
    OTHER = "other"


# In the words of Redis, Sentinel and RabbitMQ; the first that fits.
_WORDS = (
    ("no master found", Refusal.NO_MASTER),
    ("cluster mode", Refusal.CLUSTER),
    ("hash slot", Refusal.CLUSTER),
    ("movederror", Refusal.CLUSTER),
    ("db index is out of range", Refusal.NO_DATABASE),
    ("invalid db index", Refusal.NO_DATABASE),
    ("vhost", Refusal.NO_DATABASE),
    ("wrongpass", Refusal.WRONG_PASSWORD),
    ("invalid username-password", Refusal.WRONG_PASSWORD),
    ("invalid password", Refusal.WRONG_PASSWORD),
    ("without any password configured", Refusal.WRONG_PASSWORD),
    ("access_refused", Refusal.WRONG_PASSWORD),
    ("noauth", Refusal.NO_PASSWORD),
    ("authentication required", Refusal.NO_PASSWORD),
    ("noperm", Refusal.NO_PERMISSION),
    ("no permissions", Refusal.NO_PERMISSION),
    ("misconf", Refusal.CANNOT_SAVE),
    ("loading the dataset", Refusal.LOADING),
    ("max number of clients", Refusal.FULL),
    ("timeout", Refusal.SILENT),
    ("timed out", Refusal.SILENT),
)


def refusal_of(error: BaseException) -> tuple[Refusal, str]:
    """Return what an error of a client library means, and its words."""
    chain: list[BaseException] = [error]
    # Causes alone: what else an error came up in is the library's own business.
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    said = " | ".join(f"{type(one).__name__}: {one}" for one in chain).lower()
    found = next((refusal for word, refusal in _WORDS if word in said), Refusal.OTHER)
    return found, str(chain[-1]).strip().rstrip(".") or type(chain[-1]).__name__


def greet(app: Any, *, seconds: float) -> None:
    """Open a connection to a broker of any kind, and close it; any error of its client library may be raised."""
    with app.connection_for_write(connect_timeout=seconds, heartbeat=0) as connection:
        connection.connect()
