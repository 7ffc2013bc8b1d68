"""A server that greets as a connection pooler does: with another process number than that of the server behind it."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Self

LOOPBACK = "127.0.0.1"
_KEY_DATA = b"K"


class PoolerLike:
    """Passes everything on to a PostgreSQL, and changes the number in its greeting."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._open):
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((LOOPBACK, self._target))
            self._open += [client, server]
            threading.Thread(target=_copy, args=(client, server), daemon=True).start()
            threading.Thread(target=_greet_and_copy, args=(server, client), daemon=True).start()


def _greet_and_copy(server: socket.socket, client: socket.socket) -> None:
    """Pass messages on one by one up to the number, then bytes as they come."""
    try:
        first = server.recv(1)
        if first == b"N":  # it is asked for TLS first, and has none
            client.sendall(first)
            first = server.recv(1)
        while first:
            length = server.recv(4, socket.MSG_WAITALL)
            body = server.recv(struct.unpack("!I", length)[0] - 4, socket.MSG_WAITALL)
            if first == _KEY_DATA:
                pid = struct.unpack("!I", body[:4])[0]
                client.sendall(first + length + struct.pack("!I", pid + 1) + body[4:])
                break
            client.sendall(first + length + body)
            first = server.recv(1)
        _copy(server, client)
    except OSError:
        return


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
