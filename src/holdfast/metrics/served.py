"""A server of its own for metrics: where no web process should be asked, or none is there."""

from __future__ import annotations

import logging
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from holdfast.ledger.database import close_connection
from holdfast.metrics.access import has_token
from holdfast.metrics.exposition import exposed

logger = logging.getLogger("holdfast.metrics")
PATH = "/metrics"


class Handler(BaseHTTPRequestHandler):
    """Answers GET of one path; each request has a thread, and that its connection."""

    server_version = "holdfast"
    sys_version = ""
    # Of whoever connects and says nothing.
    timeout = 10

    def do_GET(self) -> None:
        """Answer with the metrics, or say why not."""
        if self.path.partition("?")[0] != PATH:
            self._answer(HTTPStatus.NOT_FOUND, f"There is only {PATH} here.\n".encode())
        elif not has_token(self.headers.get("Authorization", ""), where_none=True):
            self._answer(
                HTTPStatus.FORBIDDEN, b"The bearer token of HOLDFAST['metrics_token'] is missing.\n"
            )
        else:
            try:
                text, kind = exposed(accept=self.headers.get("Accept", ""))
            finally:
                close_connection()
            self._answer(HTTPStatus.OK, text, kind)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of every scrape but where somebody looks for it."""
        logger.debug(format, *args)

    def _answer(
        self, status: HTTPStatus, text: bytes, kind: str = "text/plain; charset=utf-8"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def server(host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that listens, whose `serve_forever` answers; port 0 is a free one.

    Raises:
        OSError: the address cannot be listened on.
    """
    made = ThreadingHTTPServer((host, port), Handler)
    made.daemon_threads = True
    return made
