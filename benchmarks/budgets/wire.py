"""Counts what goes over a connection: relays before PostgreSQL and before Redis that know where a round trip ends.

They run in threads of the driver. A relay counts a byte before it passes it on: who has an answer finds it counted.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, Self
from urllib.parse import urlsplit, urlunsplit

LOOPBACK = "127.0.0.1"
CHUNK = 65536
HEAD = 60
# What differs from one job to the next: the same statement is one statement.
VALUES = re.compile(r"(?:'[^']*'?)+|\b[sS]\d+_x\d+|\d+")
# Codes in place of a version, in the first message of a connection: encryption is asked for, by TLS and by GSS.
ENCRYPTION = (80877103, 80877104)
# Answers of a list that stayed empty, in both versions of the protocol.
NOTHING = (b"*-1\r\n", b"_\r\n")


@dataclass
class Tally:
    """What was counted: bytes of both directions, and statements by their first words (of PostgreSQL only).

    `waits` are those at a list that stayed empty: they are neither in the round trips nor in the bytes.
    """

    round_trips: int = 0
    bytes: int = 0
    waits: int = 0
    statements: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.round_trips + other.round_trips,
            self.bytes + other.bytes,
            self.waits + other.waits,
            self.statements + other.statements,
        )

    def __sub__(self, other: Tally) -> Tally:
        return Tally(
            self.round_trips - other.round_trips,
            self.bytes - other.bytes,
            self.waits - other.waits,
            self.statements - other.statements,
        )


class Reader(Protocol):
    """What understands one connection."""

    tally: Tally

    def sent(self, data: bytes) -> None:
        """Take what the client sends."""

    def answered(self, data: bytes) -> None:
        """Take what the server answers."""


class PostgresReader:
    """A round trip ends where the server says that it is ready for the next one."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._from_client = self._from_server = b""
        self._started = False
        self._refusals = 0
        self._texts: dict[bytes, str] = {}
        self._bound = b""

    def sent(self, data: bytes) -> None:
        self.tally.bytes += len(data)
        self._from_client += data
        while not self._started and len(self._from_client) >= 8:
            size, code = (int.from_bytes(self._from_client[at : at + 4], "big") for at in (0, 4))
            if len(self._from_client) < size:
                return
            self._from_client = self._from_client[size:]
            # One byte answers it, which is no message.
            self._refusals += code in ENCRYPTION
            self._started = code not in ENCRYPTION
        if self._started:
            self._from_client = _each(self._from_client, self._request)

    def answered(self, data: bytes) -> None:
        self.tally.bytes += len(data)
        skipped = min(self._refusals, len(data))
        self._refusals -= skipped
        self._from_server = _each(self._from_server + data[skipped:], self._answer)

    def _request(self, kind: bytes, body: bytes) -> None:
        if kind == b"Q":
            self._count(head(_text(body)))
        elif kind == b"P":
            name, text = body.split(b"\0")[:2]
            self._texts[name] = head(_text(text))
        elif kind == b"B":
            self._bound = body.split(b"\0")[1]
        elif kind == b"E":
            self._count(self._texts.get(self._bound, "?"))

    def _answer(self, kind: bytes, _body: bytes) -> None:
        self.tally.round_trips += kind == b"Z"

    def _count(self, head: str) -> None:
        self.tally.statements[head] += 1


class RedisReader:
    """A round trip is whatever is sent before the next answer; a wait for a list that stayed empty is none."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._asking = self._waits = False
        self._question = 0

    def sent(self, data: bytes) -> None:
        if not self._asking:
            self._asking, self._question, self._waits = True, 0, b"\r\nBRPOP\r\n" in data
            self.tally.round_trips += 1
        self._question += len(data)
        self.tally.bytes += len(data)

    def answered(self, data: bytes) -> None:
        if self._asking and self._waits and data in NOTHING:
            self.tally.round_trips -= 1
            self.tally.waits += 1
            self.tally.bytes -= self._question
        else:
            self.tally.bytes += len(data)
        self._asking = False


class Relay:
    """Listens on a loopback port of its own and passes everything on to a server's."""

    def __init__(self, url: str, reader: Callable[[], Reader]) -> None:
        self._parts = urlsplit(url)
        self._reader = reader
        self._readers: list[Reader] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server((LOOPBACK, 0))
        parts = self._parts
        account, at, _ = parts.netloc.rpartition("@")
        host = f"{account}{at}{LOOPBACK}:{self._listener.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=host))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def tally(self) -> Tally:
        """Return what has been counted since the start, on all connections."""
        return sum((each.tally for each in list(self._readers)), Tally())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._sockets):
            # A thread that waits in a call of this socket is woken by this, not by a close alone.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((LOOPBACK, self._parts.port or 0))
            except OSError:
                return
            reader = self._reader()
            self._readers.append(reader)
            self._sockets += [client, server]
            for pair in ((client, server, reader.sent), (server, client, reader.answered)):
                pair[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, count: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            count(data)
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _each(data: bytes, take: Callable[[bytes, bytes], None]) -> bytes:
    """Take every whole message of PostgreSQL's protocol; return what is left."""
    at = 0
    while len(data) - at >= 5:
        end = at + 1 + int.from_bytes(data[at + 1 : at + 5], "big")
        if len(data) < end:
            break
        take(data[at : at + 1], data[at + 5 : end])
        at = end
    return data[at:]


def head(statement: str) -> str:
    """Return the first words of a statement, without what it was asked about."""
    return VALUES.sub("?", " ".join(statement.split()))[:HEAD]


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")
