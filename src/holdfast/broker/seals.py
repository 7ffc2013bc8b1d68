"""The seal of an ordinary Celery message: one signature over the whole of it and its list, the last thing in its JSON.

It is made when all receivers of `before_task_publish` have had their say, and looked at before anything inside the
message is decoded. A worker of plain Celery takes no notice of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from kombu.utils.json import JSONEncoder

from holdfast.broker.messages import signing_keys

# At the top of the message, beside body, headers and properties.
SEAL = "holdfast"
_VERSION = "1:"
# The text that kombu puts on the list is this one, with the seal in it.
_text = JSONEncoder().encode
_OPENING = f', "{SEAL}": "{_VERSION}'.encode()
_LENGTH = len(_OPENING) + 32 + len(b'"}')
# What kombu notes on a message that it puts back for a worker that did not acknowledge it.
_REDELIVERED = "redelivered"


def sealed(message: Mapping[str, Any], *, place: str) -> dict[str, Any]:
    """Return the message with its seal for one list, or for one exchange with many receivers."""
    bare = dict(message)
    bare.pop(SEAL, None)
    return bare | {SEAL: _VERSION + _digest(signing_keys()[0], _text(bare).encode(), place)}


def is_sealed(item: bytes) -> bool:
    """Tell whether the bytes of a message end in a seal, whoever made it."""
    return item[-_LENGTH:].startswith(_OPENING) and item.endswith(b'"}')


def holds(item: bytes, *, place: str) -> bool:
    """Tell whether bytes that end in a seal were sealed for this place with one of our keys."""
    found = item[len(_OPENING) - _LENGTH : -2]
    return _is_ours(found, item[:-_LENGTH] + b"}", place)


def holds_again(message: Mapping[str, Any], *, place: str) -> bool:
    """Tell the same of a message that was taken apart: one put back by kombu, or one with many receivers."""
    found = str(message.get(SEAL, "")).encode(errors="backslashreplace")
    if not found.startswith(_VERSION.encode()):
        return False
    return _is_ours(found[len(_VERSION) :], _text(_as_sent(message)).encode(), place)


def _as_sent(message: Mapping[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in message.items() if key != SEAL}
    for part, inner in (("headers", None), ("properties", "delivery_info")):
        found = bare.get(part)
        if not isinstance(found, Mapping):
            continue
        if inner is None:
            bare[part] = _without_note(found)
        elif isinstance(found.get(inner), Mapping):
            bare[part] = {**found, inner: _without_note(found[inner])}
    return bare


def _without_note(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != _REDELIVERED}


def _is_ours(found: bytes, text: bytes, place: str) -> bool:
    return any(
        hmac.compare_digest(found, _digest(key, text, place).encode()) for key in signing_keys()
    )


def _digest(key: bytes, text: bytes, place: str) -> str:
    # With the length of its name: no list may read like another one and the beginning of a message.
    where = place.encode(errors="backslashreplace")
    return hmac.digest(key, b"message %d %s%s" % (len(where), where, text), "sha256")[:16].hex()
