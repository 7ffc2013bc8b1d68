"""How tasks send: an effect happens once whatever dies, and is tried again as its gateway wants it."""

from __future__ import annotations

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
            try:
                call.result = gateway.send(key=key, **content)
            except GatewayDeclinedError as reason:
                call.result = {"declined": str(reason)}
            except GatewayError as error:
                # An older doubt is not settled by what came of this call.
                if call.is_new and not error.may_have_happened:
                    call.did_not_happen()
                raise
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
    """Send a mail by Django, which has the key in its header; in doubt, the mail gateway is asked first."""
    message.extra_headers[KEY_HEADER] = key

    def look_first(_doubt: object) -> int:
        return message.send() if mail_gateway.find(key) is None else 1

    effect(key).once(message.send, in_doubt=look_first)
