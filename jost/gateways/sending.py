"""How tasks send: an effect happens once whatever dies, and is tried again as its gateway wants it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.mail import EmailMessage

from holdfast import Never, Rule, effect
from holdfast.exceptions import EffectBusy

from .clients import (
    Gateway,
    GatewayDeclinedError,
    GatewayError,
    GatewayMissingError,
    GatewayRefusedError,
)
from .clients import mail as mail_gateway
from .email import KEY_HEADER
from .mail_server import hand_over

# Of every task that calls a gateway. A Retry-After is waited for beside it.
RETRIES = [
    Never(GatewayRefusedError, GatewayMissingError),
    Rule(EffectBusy, max=None, backoff=5, backoff_max=60),
    Rule(GatewayError, max=20, backoff=2, backoff_max=300),
]


def send_once(gateway: Gateway, *, key: str, **content: Any) -> int:
    """Let an effect happen, or learn that it has; return the gateway's number for it.

    Whoever dies between the call and its record leaves a doubt. Then the gateway is asked before
    it is called again, which is safe once the first call is over; one that honours keys is safe
    always. A call that was surely refused leaves no doubt. Raises `GatewayDeclinedError` for what
    was declined: that is an answer, and who asks a second time gets it too.
    """
    with effect(key) as call:
        found = gateway.find(key) if call.in_doubt else None
        if found is not None:
            call.result = found
        elif not call.is_done:
            with _no_doubt_of_a_refusal(call):
                try:
                    call.result = gateway.send(key=key, **content)
                except GatewayDeclinedError as reason:
                    call.result = {"declined": str(reason)}
    if isinstance(call.result, dict):
        raise GatewayDeclinedError(call.result["declined"])
    return int(call.result)


def was_sent(gateway: Gateway, *, key: str) -> int | None:
    """Say what number an effect has that is not wanted any more; None if it has not happened.

    For whoever would rather not send, and must know whether an attempt that died has done it.
    """
    with effect(key) as call:
        found = gateway.find(key) if call.in_doubt else None
        if found is not None:
            call.result = found
        elif not call.is_done:
            call.did_not_happen()
            return None
    return None if isinstance(call.result, dict) else int(call.result)


def mail_once(message: EmailMessage, *, key: str) -> None:
    """Send a mail by Django, which has the key in its header; in doubt, the mail gateway is asked first.

    A mail server cannot be asked: what may have reached it goes there again, as the same mail by its
    Message-ID, for a mail that comes twice is better than none. Raises `GatewayError`.
    """
    message.extra_headers[KEY_HEADER] = key
    with effect(key) as call:
        if call.in_doubt and _has_arrived(key):
            call.result = 1
        elif not call.is_done:
            with _no_doubt_of_a_refusal(call):
                call.result = hand_over(message, key=key)


def _has_arrived(key: str) -> bool:
    try:
        return mail_gateway.find(key) is not None
    except GatewayMissingError:
        return False


@contextmanager
def _no_doubt_of_a_refusal(call: Any) -> Iterator[None]:
    """Free the key of an effect that surely has not happened, for whoever tries again."""
    try:
        yield
    except GatewayError as error:
        # An older doubt is not settled by what came of this call.
        if call.is_new and not error.may_have_happened:
            call.did_not_happen()
        raise
