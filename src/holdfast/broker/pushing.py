"""Puts messages on lists of Redis over connections that are kept for it; in every process that sends."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import ConnectionError as Disconnected

# Threads of a process that push at once; further ones wait for one of these, which a timeout bounds.
MOST_CONNECTIONS = 8


class Pusher:
    """Some connections of a pool, without the client that takes and checks one for every command."""

    def __init__(self, pool: Any, *, prefix: str = "") -> None:
        self._pool = pool
        self._prefix = prefix
        self._kept: list[Any] = []
        # The pool refuses whoever is one too many, and its others are for other commands.
        most = min(MOST_CONNECTIONS, pool.max_connections - 2)
        self._most = max(1, most)
        self._made = 0
        self._turns = threading.BoundedSemaphore(self._most)

    def is_open(self) -> bool:
        """Tell whether a push opens no connection: one is free, or all are in use and one is waited for."""
        free = list(self._kept)
        if not free:
            return self._made >= self._most
        return any(connection._sock is not None for connection in free)

    def push(self, lists: Mapping[str, Sequence[str]]) -> None:
        """Put messages on lists in one round trip.

        A connection that was closed since it was used last is opened again, once: what was pushed twice runs once.

        Raises:
            redis.RedisError: some may be on their lists, and nobody knows which.
        """
        commands = [("LPUSH", self._prefix + key, *messages) for key, messages in lists.items()]
        with self._turns:
            try:
                connection, is_used = self._kept.pop(), True
            except IndexError:
                connection, is_used = self._pool.get_connection(), False
                self._made += 1
            try:
                _ask(connection, commands)
            except Disconnected:
                if not is_used:
                    raise
                _ask(connection, commands)
            finally:
                self._kept.append(connection)


def _ask(connection: Any, commands: Sequence[tuple[str, ...]]) -> None:
    """Send commands over a connection, which is opened if it is not, and read all replies."""
    try:
        packed = (
            connection.pack_commands(commands)
            if len(commands) > 1
            else connection.pack_command(*commands[0])
        )
        connection.send_packed_command(packed)
        for _ in commands:
            connection.read_response()
    except BaseException:
        # A reply that nobody has read would be taken for that of the next command.
        connection.disconnect()
        raise
