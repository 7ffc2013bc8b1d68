"""A shop that answers over HTTP on this machine, for tests of what is done with its refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Shop:
    """Gives its answers one after the other: a status with headers; then 200 for ever."""

    def __init__(self, answers: list[tuple[int, dict[str, str]]]) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.url = ""

    def answer(self) -> tuple[int, dict[str, str]]:
        self.asked += 1
        return self.answers.pop(0) if self.answers else (200, {})


@contextmanager
def open_shop(*answers: tuple[int, dict[str, str]]) -> Iterator[Shop]:
    """Serve a shop on a free port of this machine."""
    shop = Shop(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers = shop.answer()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        shop.url = f"http://127.0.0.1:{server.server_address[1]}/"
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
