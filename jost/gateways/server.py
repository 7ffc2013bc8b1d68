"""The other side: `python -m jost.gateways.server --port 9100 --record FILE`; a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .behaviour import Behaviour, BehaviourError
from .record import Record

# What each takes: the names its content must have.
KINDS = {
    "sms": ("to", "text"),
    "crm": ("lead", "status"),
    "charges": ("order", "amount"),
    "refunds": ("order", "amount"),
    "mail": ("to", "subject", "text"),
}
# As in the world: payments know their keys, an SMS that is sent twice arrives twice.
HONOURING = ("charges", "refunds")
MOST_BYTES = 1_000_000


class Gateways(ThreadingHTTPServer):
    """All gateways on one port of this machine; what they are told is forgotten when they end."""

    daemon_threads = True

    def __init__(self, *, port: int, record: Record, seed: int | None = None) -> None:
        super().__init__(("127.0.0.1", port), Calls)
        self.record = record
        self.dice = Random(seed)  # noqa: S311
        self.behaviours = {kind: Behaviour(honours_keys=kind in HONOURING) for kind in KINDS}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Calls(BaseHTTPRequestHandler):
    """POST /sms lets it happen, GET /sms?key= tells what did, PUT /sms/behaviour says how it is."""

    server: Gateways
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        if address.path == "/record":
            self._answer(HTTPStatus.OK, self.server.record.totals())
        elif address.path == "/behaviour":
            told = {kind: asdict(each) for kind, each in self.server.behaviours.items()}
            self._answer(HTTPStatus.OK, told)
        elif (kind := address.path.strip("/")) in KINDS:
            self._tell(kind, query)
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": _nothing_there(address.path)})

    def do_POST(self) -> None:
        kind = urlsplit(self.path).path.strip("/")
        content = self._content()
        if kind not in KINDS:
            self._answer(HTTPStatus.NOT_FOUND, {"error": _nothing_there(self.path)})
        elif content is None or any(name not in content for name in KINDS[kind]):
            message = f"{kind} takes a JSON object with {', '.join(KINDS[kind])}."
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": message})
        else:
            self._accept(kind, content)

    def do_PUT(self) -> None:
        kind, _, what = urlsplit(self.path).path.strip("/").partition("/")
        values = self._content()
        if kind not in KINDS or what != "behaviour" or values is None:
            self._answer(HTTPStatus.NOT_FOUND, {"error": _nothing_there(self.path)})
            return
        try:
            told = Behaviour.from_dict(values, present=self.server.behaviours[kind])
        except BehaviourError as reason:
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(reason)})
        else:
            self.server.behaviours[kind] = told
            self._answer(HTTPStatus.OK, asdict(told))

    def _tell(self, kind: str, query: dict[str, list[str]]) -> None:
        key = query["key"][0] if "key" in query else None
        after = query.get("after", ["0"])[0]
        if not (after.isascii() and after.isdigit()):
            message = "after is the number of an effect: those that came later are told."
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": message})
            return
        found = self.server.record.effects(kind, key=key, after=int(after[:18]))
        self._answer(HTTPStatus.OK, {"effects": [asdict(each) for each in found]})

    def _accept(self, kind: str, content: dict[str, Any]) -> None:
        behaviour, dice = self.server.behaviours[kind], self.server.dice
        record = self.server.record
        if behaviour.delay_seconds:
            time.sleep(behaviour.delay_seconds)
        if self._turns_away(kind, behaviour):
            return
        key = self.headers.get("Idempotency-Key", "")
        number, is_new = record.add(
            kind,
            key=key,
            content=content,
            once=behaviour.honours_keys,
            request=self.headers.get("X-Request-ID", ""),
        )
        if behaviour.answer_seconds:
            time.sleep(behaviour.answer_seconds)
        if behaviour.happens(behaviour.dies, dice=dice):
            record.count_call(kind, answer="died")
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour.happens(behaviour.loses_answer, dice=dice):
            record.count_call(kind, answer="lost")
            self.close_connection = True
            return
        record.count_call(kind, answer="accepted" if is_new else "repeated")
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        self._answer(status, {"id": number, "key": key})

    def _turns_away(self, kind: str, behaviour: Behaviour) -> bool:
        """Answer a call that shall have no effect."""
        record, dice = self.server.record, self.server.dice
        if behaviour.happens(behaviour.too_many, dice=dice):
            record.count_call(kind, answer="refused")
            later = {"Retry-After": str(behaviour.retry_after)}
            self._answer(HTTPStatus.TOO_MANY_REQUESTS, {"error": "too many calls"}, **later)
        elif behaviour.happens(behaviour.fails, dice=dice):
            record.count_call(kind, answer="failed")
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "told to fail"})
        elif behaviour.happens(behaviour.declines, dice=dice):
            record.count_call(kind, answer="declined")
            self._answer(HTTPStatus.PAYMENT_REQUIRED, {"error": "declined"})
        else:
            return False
        return True

    def _content(self) -> dict[str, Any] | None:
        """The JSON object that was sent; None if it is none."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and 0 < int(length) <= MOST_BYTES):
            # What is not read would be taken for the next call.
            self.close_connection = True
            return None
        try:
            content = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def _answer(self, status: HTTPStatus, content: object, **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the record tells all."""


def _nothing_there(path: str) -> str:
    return f"There is nothing at {path}; there is /record, /behaviour and /{', /'.join(KINDS)}."


def main() -> int:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="The world outside, for demos and tests.")
    parser.add_argument("--port", type=int, required=True, help="0 chooses a free one")
    parser.add_argument("--record", type=Path, required=True, help="file of what happened")
    parser.add_argument("--seed", type=int, help="of the dice that decide who fails")
    options = parser.parse_args()
    record = Record(options.record)
    with Gateways(port=options.port, record=record, seed=options.seed) as gateways:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print(f"gateways at http://127.0.0.1:{gateways.server_port}", flush=True)  # noqa: T201
        try:
            gateways.serve_forever()
        except KeyboardInterrupt:
            return 130
        finally:
            record.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
