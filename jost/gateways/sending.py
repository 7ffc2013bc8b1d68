"""How tasks send: an effect happens once whatever dies, and is tried again as its gateway wants it."""

from __future__ import annotations

from typing import Any

from django.core.mail import EmailMessage

from holdfast import Never, Rule, effect
from holdfast.exceptions import EffectBusy

from .clients import Gateway, GatewayError, GatewayMissingError, GatewayRefusedError
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
    always.
    """

    def look_first(_doubt: object) -> int:
        found = gateway.find(key)
        return gateway.send(key=key, **content) if found is None else found

    return effect(key).once(gateway.send, key=key, in_doubt=look_first, **content)


def mail_once(message: EmailMessage, *, key: str) -> None:
    """Send a mail by Django, which has the key in its header; in doubt, the mail gateway is asked first."""
    message.extra_headers[KEY_HEADER] = key

    def look_first(_doubt: object) -> int:
        return message.send() if mail_gateway.find(key) is None else 1

    effect(key).once(message.send, in_doubt=look_first)
