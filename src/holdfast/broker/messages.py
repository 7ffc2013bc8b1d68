"""The message of a job on the wire: it says which job at which token, and nothing of what is in it."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from holdfast.conf import get_settings
from holdfast.tickets import HEADER, Ticket

VERSION = 1
# Not JSON, on purpose: a worker of plain Celery, still running while a site moves, drops a message it cannot
# decode, and the ledger publishes the job again. An empty body would end that worker, a valid one run the task.
BODY = "-"


def headers_of(ticket: Ticket) -> dict[str, Any]:
    """Return the headers of a ticket's message; the body stays in the ledger and comes with the claim."""
    return {
        "lang": "py",
        "task": ticket.task,
        "id": ticket.id,
        HEADER: {"v": VERSION, "token": ticket.token, "sig": sign(ticket)},
    }


def encode(ticket: Ticket) -> str:
    """Return the message as kombu's Redis transport writes it into a list."""
    id, (before, between, after) = _quoted(ticket.id), _frame(*ticket[2:])
    mark = f'{{"v":{VERSION},"token":{ticket.token},"sig":"{sign(ticket)}"}}'
    return f"{before}{id}{between}{mark}{_PROPERTIES}{id}{after}{os.urandom(16).hex()}{_END}"


@lru_cache(maxsize=1024)
def _frame(task: str, queue: str, priority: int) -> tuple[str, str, str]:
    """Return what the messages of one task on one queue have in common: what is before, between and after the ids."""
    body = base64.b64encode(BODY.encode()).decode()
    before = (
        f'{{"body":"{body}","content-encoding":"utf-8","content-type":"application/json",'
        f'"headers":{{"lang":"py","task":{_quoted(task)},"id":'
    )
    after = (
        f',"delivery_mode":2,"delivery_info":{{"exchange":"","routing_key":{_quoted(queue)}}},'
        f'"priority":{priority},"body_encoding":"base64","delivery_tag":"'
    )
    return before, f',"{HEADER}":', after


_PROPERTIES = '},"properties":{"correlation_id":'
_END = '"}}'


def ticket_of(headers: Mapping[str, Any] | None) -> tuple[str, int] | None:
    """Return (id, token) if the headers are those of a durable job's message, else None."""
    mark = headers.get(HEADER) if isinstance(headers, Mapping) else None
    if not isinstance(mark, Mapping) or mark.get("v") != VERSION:
        return None
    token = mark.get("token")
    return (
        (str(headers["id"]), token)
        if headers and isinstance(token, int) and "id" in headers
        else None
    )


def is_authentic(headers: Mapping[str, Any], *, queue: str) -> bool:
    """Tell whether the message was signed by a process that holds one of the keys."""
    found = ticket_of(headers)
    return found is not None and is_signed(found, headers, queue=queue)


def is_signed(found: tuple[str, int], headers: Mapping[str, Any], *, queue: str) -> bool:
    """Tell the same of headers in which this id and token were found."""
    ticket = Ticket(*found, str(headers.get("task")), queue, 0)
    # As bytes: whoever made the message up may have put any text here, which digests of text refuse.
    signature = str(headers[HEADER].get("sig", "")).encode(errors="backslashreplace")
    return any(
        hmac.compare_digest(signature, _digest(key, ticket).encode()) for key in signing_keys()
    )


def sign(ticket: Ticket) -> str:
    """Sign what the message claims, with the newest key."""
    return _digest(signing_keys()[0], ticket)


def _digest(key: bytes, ticket: Ticket) -> str:
    # With their lengths: no id of a user's choosing may read like another id and task.
    id, token, task, queue, _ = ticket
    said = f"{VERSION} {token} {len(id)} {len(task)} {id}{task}{queue}"
    begun_inner, begun_outer = _halves(key)
    inner, outer = begun_inner.copy(), begun_outer.copy()
    inner.update(said.encode(errors="backslashreplace"))
    outer.update(inner.digest())
    return str(outer.hexdigest())[:32]


@lru_cache(maxsize=64)
def _halves(key: bytes) -> tuple[Any, Any]:
    """Return the two hashes of an HMAC-SHA256 that have taken in the key, and nothing of a message yet."""
    block = key.ljust(64, b"\0")
    return sha256(bytes(b ^ 0x36 for b in block)), sha256(bytes(b ^ 0x5C for b in block))


@lru_cache(maxsize=1)
def signing_keys() -> tuple[bytes, ...]:
    """Return the keys that sign and that are accepted, newest first."""
    keys = get_settings().signing_keys or (
        django_settings.SECRET_KEY,
        *getattr(django_settings, "SECRET_KEY_FALLBACKS", ()),
    )
    return tuple(hmac.digest(key.encode(), b"holdfast.broker.messages", "sha256") for key in keys)


def _forget_keys(*, setting: str, **_: Any) -> None:
    if setting in {"HOLDFAST", "SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        signing_keys.cache_clear()


setting_changed.connect(_forget_keys, dispatch_uid="holdfast.broker.messages")
