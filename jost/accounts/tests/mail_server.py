"""A mail server for tests, in a thread: it takes mails by SMTP, and can be told to refuse or to hang up."""

from __future__ import annotations

import socketserver
from email import message_from_bytes
from email.message import Message
from threading import Thread
from types import TracebackType
from typing import Self


class MailServer:
    """Listens while the block runs; `refuses` is its answer to a recipient, `hangs_up` ends it behind a mail."""

    def __init__(self, *, port: int = 0) -> None:
        self.arrived: list[Message] = []
        self.refuses = ""
        self.hangs_up = False
        self._server = _Server(("127.0.0.1", port), _Session)
        self._server.owner = self
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    owner: MailServer


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 here")
        for line in self.rfile:
            verb = line.strip().upper()
            if verb.startswith(b"RCPT"):
                self._say(self.server.owner.refuses or "250 taken")
            elif verb == b"DATA":
                self._say("354 go on")
                if not self._take():
                    return
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 well")

    def _take(self) -> bool:
        lines: list[bytes] = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line)
        self.server.owner.arrived.append(message_from_bytes(b"".join(lines)))
        if self.server.owner.hangs_up:
            return False
        self._say("250 kept")
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")
