"""Receivers of messages for tests: an HTTP server that keeps what comes and answers as it is told, and one for mail."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from holdfast.testing.ports import free_port


@dataclass(frozen=True, slots=True)
class Posted:
    """One request."""

    path: str
    headers: dict[str, str]
    data: bytes
    body: dict[str, Any] = field(default_factory=dict)


class Web(ThreadingHTTPServer):
    """Keeps requests, and answers with the statuses of `answers`, then with 202."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[Posted] = []
        self.answers: deque[tuple[int, dict[str, str]]] = deque()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def bodies(self, path: str = "/") -> list[dict[str, Any]]:
        """Return what came to paths that begin so."""
        with self.lock:
            return [one.body for one in self.posted if one.path.startswith(path)]


@contextmanager
def web() -> Iterator[Web]:
    """Receive inside."""
    with Web() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def mailbox() -> Iterator[tuple[list[Message], int]]:
    """Receive mails over SMTP inside; gives the list of them, and the port."""
    from aiosmtpd.controller import Controller

    mails: list[Message] = []

    class Keep:
        async def handle_DATA(  # noqa: N802  # aiosmtpd's name
            self, _server: Any, _session: Any, envelope: Any
        ) -> str:
            mails.append(message_from_bytes(envelope.content))
            return "250 OK"

    port = free_port()
    controller = Controller(Keep(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mails, port
    finally:
        controller.stop()


class _Handler(BaseHTTPRequestHandler):
    server: Web

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.posted.append(Posted(self.path, dict(self.headers), data, json.loads(data)))
            answers = self.server.answers
            status, headers = answers.popleft() if answers else (202, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
