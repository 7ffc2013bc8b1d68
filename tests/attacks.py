"""What somebody who can write to Redis may put there: forged, altered, cut and foreign messages, made by hand."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.test import override_settings

from holdfast.broker import messages
from holdfast.broker.seals import SEAL, sealed
from holdfast.tickets import HEADER, Ticket


class Touch:
    """Unpickled it makes a file: the code of an attacker."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path(self.path).touch, ())


def encoded(body: Any) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()


def message(task: str, *args: Any, id: str = "of-the-attacker", queue: str = "celery") -> bytes:
    """Return an unsigned message of Celery's protocol 2, as any stock producer sends it."""
    return json.dumps(
        {
            "body": encoded([args, {}, {}]),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": id, "root_id": id, "argsrepr": ""},
            "properties": {
                "correlation_id": id,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "delivery_tag": f"tag of {id}",
                "body_encoding": "base64",
            },
        }
    ).encode()


def without_seal(honest: bytes) -> bytes:
    parts = json.loads(honest)
    del parts[SEAL]
    return json.dumps(parts).encode()


def altered(honest: bytes, *, touched: Path) -> Iterator[bytes]:
    """Yield a sealed message with one thing changed at a time; its seal stays what it was."""

    def but(**changes: Any) -> bytes:
        return json.dumps({**json.loads(honest), **changes}).encode()

    parts = json.loads(honest)
    yield but(body=encoded([["return", "forged"], {}, {}]))
    yield but(
        **{
            "content-type": "application/x-python-serialize",
            "content-encoding": "binary",
            "body": base64.b64encode(pickle.dumps(Touch(str(touched)))).decode(),
        }
    )
    yield but(**{"content-encoding": "latin-1"})
    for name in parts["headers"]:
        yield but(headers={**parts["headers"], name: "forged"})
        yield but(headers={key: value for key, value in parts["headers"].items() if key != name})
    yield but(headers={**parts["headers"], "tenant": "another"})
    yield but(headers={**parts["headers"], "compression": "zlib"})
    yield but(headers=None)
    for name in parts["properties"]:
        yield but(properties={**parts["properties"], name: "forged"})
    yield but(properties={})
    for signature in ("", "1:" + "0" * 32, "2:" + parts[SEAL][2:], None, 7, {"a": 1}, "\ud800"):
        yield but(**{SEAL: signature})
    yield json.dumps(sealed(parts, place="another queue")).encode()
    with override_settings(HOLDFAST={"signing_keys": ["of somebody else"]}):
        yield json.dumps(sealed(parts, place="celery")).encode()


def garbage(honest: bytes) -> Iterator[bytes]:
    """Yield what is no message at all."""
    yield from (honest[:length] for length in (1, len(honest) // 2, len(honest) - 1))
    yield honest[10:]
    yield from (b"\0", b"\xff\xfe", b"null", b"5", b'"text"', b"[]", b"{}", b"[[1, 2], 3]")
    yield b"[" * 200_000
    yield b'{"headers": ' + b"[" * 200_000
    yield b'{"headers": {"__type__": "uuid", "__value__": {}}, "properties": {}}'
    yield b'{"headers": [], "properties": [], "body": 5}'
    yield b'{"body": "' + b"A" * 3_000_000


def unsigned_and_odd(task: str) -> Iterator[bytes]:
    """Yield messages without a signature that kombu or Celery stumbles over."""

    def but(part: str, **changes: Any) -> bytes:
        parts = json.loads(message(task, "return", "odd"))
        return json.dumps({**parts, part: {**parts[part], **changes}}).encode()

    yield but("properties", body_encoding="forged")
    yield but("properties", delivery_tag=None)
    yield but("properties", delivery_info=None)
    yield but("headers", compression="forged")
    yield but("headers", timelimit=7)
    yield but("headers", timelimit=["a", "b"])
    yield but("headers", timelimit=[5])
    yield but("headers", eta="forged")
    yield but("headers", expires={"a": 1})
    yield but("headers", task=["a list"])
    yield but("headers", id=None)
    yield but("headers", task="tests.project.tasks.nobody_knows_it")
    yield but("headers", retries="many")
    yield json.dumps({**json.loads(message(task)), "content-type": "forged"}).encode()
    yield json.dumps({**json.loads(message(task)), "body": "no base64!"}).encode()
    yield json.dumps({**json.loads(message(task)), "body": encoded("no list")}).encode()


def altered_tickets(ticket: Ticket, *, key: str) -> Iterator[bytes]:
    """Yield a ticket with one thing changed at a time, as whoever has copied it can."""

    def but(**changes: Any) -> bytes:
        parts = json.loads(messages.encode(ticket))
        return json.dumps({**parts, "headers": {**parts["headers"], **changes}}).encode()

    mark = messages.headers_of(ticket)[HEADER]
    yield but(id="of-the-attacker")
    yield but(id=7)
    yield but(task="tests.project.tasks.nobody_knows_it")
    yield but(task="tests.project.tasks.told")
    yield but(**{HEADER: {**mark, "token": ticket.token + 1}})
    yield from (but(**{HEADER: {**mark, "sig": made_up}}) for made_up in ("0" * 32, None, 7))
    yield messages.encode(ticket._replace(queue="another queue")).encode()
    with override_settings(HOLDFAST={"signing_keys": [key]}):
        yield messages.encode(ticket).encode()


def dressed_up(ticket: Ticket) -> Iterator[bytes]:
    """Yield an authentic ticket with everything changed that its signature does not cover."""
    parts = json.loads(messages.encode(ticket))
    yield json.dumps(parts).encode()
    yield json.dumps({**parts, "body": encoded([["forged"], {}, {}])}).encode()
    yield json.dumps({**parts, "body": 5, "content-type": 5, "properties": None}).encode()
    properties = {**parts["properties"], "body_encoding": "forged", "delivery_info": "forged"}
    yield json.dumps({**parts, "properties": properties}).encode()
    headers = {**parts["headers"], "compression": "zlib", "eta": "forged", "timelimit": [0.01, 1]}
    yield json.dumps({**parts, "headers": headers}).encode()
