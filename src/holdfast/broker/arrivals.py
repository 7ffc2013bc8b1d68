"""What a worker finds in a list of the broker: whose message it is, told before anything inside it is decoded.

Whoever can write to Redis can put anything there. What is no message at all, or says that it is ours and is not, is
told apart here; what becomes of it, the worker's guard decides.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from enum import Enum
from itertools import count
from typing import Any, NamedTuple

from kombu.utils.json import loads

from holdfast.broker import seals
from holdfast.broker.messages import is_signed, ticket_of
from holdfast.tickets import HEADER

_tags = count(1)
# What json.loads() does with a text that begins and ends with what it says, as ours do; for each message.
_scan = json.JSONDecoder().raw_decode


class Origin(Enum):
    """Whose message it is."""

    TICKET = "ticket"
    SEALED = "sealed"
    UNSIGNED = "unsigned"
    FORGED_TICKET = "forged ticket"
    FORGED_MESSAGE = "forged message"
    MALFORMED = "malformed"


class Arrival(NamedTuple):
    """A message with its origin; taken apart as far as it took to tell that, and not decoded."""

    origin: Origin
    message: dict[str, Any] | None


def read(item: bytes, *, queue: str) -> Arrival:
    """Tell what the bytes from a queue's list are; never raises for what is in them."""
    if seals.is_sealed(item) and seals.holds(item, place=queue):
        return Arrival(Origin.SEALED, None)
    message = _envelope(item)
    return Arrival(Origin.MALFORMED, None) if message is None else of_message(message, place=queue)


def of_message(message: Any, *, place: str) -> Arrival:
    """Tell what a message is whose bytes are not at hand any more."""
    if not isinstance(message, dict):
        return Arrival(Origin.MALFORMED, None)
    headers = message.get("headers")
    ticket = ticket_of(headers)
    if ticket is not None:
        assert isinstance(headers, Mapping)
        if is_signed(ticket, headers, queue=place):
            return Arrival(Origin.TICKET, _as_signed(headers, queue=place))
        return Arrival(Origin.FORGED_TICKET, message)
    if seals.SEAL in message:
        ours = seals.holds_again(message, place=place)
        return Arrival(Origin.SEALED if ours else Origin.FORGED_MESSAGE, message)
    return Arrival(Origin.UNSIGNED if _has_shape(message) else Origin.MALFORMED, message)


def decoded(item: bytes) -> dict[str, Any]:
    """Return a message as Celery gets it, with the types its sender put into the headers."""
    return dict(loads(item))


def _envelope(item: bytes) -> dict[str, Any] | None:
    """Read the envelope without the types that kombu would make of what is in it."""
    try:
        text = item.decode()
        message, end = _scan(text) if text.startswith("{") else (None, -1)
        if end != len(text):
            message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _as_signed(headers: Mapping[str, Any], *, queue: str) -> dict[str, Any]:
    """Return the message of a ticket with nothing in it but what its signature covers; the claim brings the rest."""
    return {
        "body": "",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {
            "lang": "py",
            "task": str(headers.get("task")),
            "id": str(headers["id"]),
            HEADER: headers[HEADER],
        },
        "properties": {
            "correlation_id": str(headers["id"]),
            "delivery_info": {"exchange": "", "routing_key": queue},
            "delivery_tag": f"holdfast-{next(_tags)}",
        },
    }


def _has_shape(message: Mapping[str, Any]) -> bool:
    """Tell whether kombu can take an unsigned message apart; where it cannot, a worker would end."""
    headers, properties = message.get("headers"), message.get("properties")
    if not isinstance(headers, Mapping | None) or not isinstance(properties, Mapping):
        return False
    info, body = properties.get("delivery_info"), message.get("body")
    texts = [properties.get("delivery_tag"), body]
    if not isinstance(info, Mapping) or not all(isinstance(text, str) for text in texts):
        return False
    return _is_body(body, properties.get("body_encoding")) and _fit(headers or {})


def _is_body(body: Any, encoding: Any) -> bool:
    if encoding != "base64":
        return encoding is None
    try:
        b64decode(body)
    except ValueError:
        return False
    return True


def _fit(headers: Mapping[str, Any]) -> bool:
    """Tell whether what Celery reads from the headers of protocol 2 is of the right kind; 1 has it in its body."""
    if "task" not in headers:
        return True
    limits = headers.get("timelimit") or (None, None)
    return (
        isinstance(headers["task"], str)
        and isinstance(headers.get("id"), str)
        and isinstance(headers.get("retries"), int | None)
        and isinstance(headers.get("compression"), str | None)
        and isinstance(limits, list | tuple)
        and len(limits) == 2
        and all(isinstance(limit, int | float | None) for limit in limits)
    )
