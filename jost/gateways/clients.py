"""JOST's side of the gateways: one call each, with its time limit, and what can go wrong by name.

Runs wherever something is sent, which is in workers. None of it tries again: tasks say how.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests
from django.conf import settings

from holdfast.logs import correlation_id

CONNECT_SECONDS = 3.05
# Tells the other side which request of ours a call belongs to.
REQUEST_HEADER = "X-Request-ID"


class GatewayError(Exception):
    """A gateway did not do what it was asked; `retry_after` is when to come again, if it said so.

    It is as it was said: seconds, or a date; rules of retries read both.
    `may_have_happened` tells the one bad case: no answer came, so nobody but the gateway knows.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | str | None = None,
        may_have_happened: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.may_have_happened = may_have_happened


class GatewayRefusedError(GatewayError):
    """What was sent is wrong: the same will be refused again."""


class GatewayDeclinedError(GatewayRefusedError):
    """Asked and answered: no. It is not to be asked again."""


class GatewayMissingError(GatewayError):
    """Nobody has said where the gateways are."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One kind of gateway; `send` lets an effect happen, `find` asks what has."""

    kind: str

    def send(self, *, key: str, **content: Any) -> int:
        """Return the number that the gateway gave to the effect."""
        answer = self._call("POST", key=key, content=content)
        with self._readable(answer):
            return int(answer.json()["id"])

    def find(self, key: str) -> int | None:
        """Return the number of the effect with this key; None if it has not happened."""
        answer = self._call("GET", query={"key": key})
        with self._readable(answer):
            effects = answer.json()["effects"]
            return int(effects[0]["id"]) if effects else None

    def _call(
        self,
        method: str,
        *,
        key: str = "",
        content: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> requests.Response:
        said = {"Idempotency-Key": key, REQUEST_HEADER: correlation_id()}
        try:
            answer = requests.request(
                method,
                f"{base_url()}/{self.kind}",
                json=content,
                params=query,
                headers={name: value for name, value in said.items() if value},
                timeout=(CONNECT_SECONDS, settings.JOST_GATEWAY_SECONDS),
            )
        except requests.ConnectTimeout as reason:
            raise GatewayError(f"{self.kind}: no connection ({reason}).") from reason
        except requests.RequestException as reason:
            refused = isinstance(reason, requests.ConnectionError) and "refused" in str(reason)
            message = f"{self.kind}: no answer ({reason})."
            # Who was too slow may still be at it: asked too soon, it knows nothing of this call yet.
            patience = (
                settings.JOST_GATEWAY_SECONDS if isinstance(reason, requests.Timeout) else None
            )
            raise GatewayError(
                message, may_have_happened=not refused, retry_after=patience
            ) from reason
        if answer.ok:
            return answer
        message = f"{self.kind} answered {answer.status_code}: {answer.text[:200]}"
        later = answer.headers.get("Retry-After")
        if answer.status_code == requests.codes.too_many_requests:
            raise GatewayError(message, retry_after=later)
        if answer.status_code == requests.codes.payment_required:
            raise GatewayDeclinedError(message)
        if answer.status_code < requests.codes.server_error:
            raise GatewayRefusedError(message)
        # It may have failed before or after it did its work.
        raise GatewayError(message, may_have_happened=True, retry_after=later)

    @contextmanager
    def _readable(self, answer: requests.Response) -> Iterator[None]:
        """Whoever answers well in words that nobody understands may have done it."""
        try:
            yield
        except (ValueError, LookupError, TypeError) as reason:
            message = (
                f"{self.kind} answered {answer.status_code}, but not as agreed: {answer.text[:200]}"
            )
            raise GatewayError(message, may_have_happened=True) from reason


def base_url() -> str:
    """Where the gateways are; a clear error if nobody has said."""
    if not settings.JOST_GATEWAYS_URL:
        raise GatewayMissingError(
            "No gateway is known: set JOST_GATEWAYS_URL, or use `make up`, which starts them."
        )
    url: str = settings.JOST_GATEWAYS_URL
    return url.rstrip("/")


sms, crm, charges, refunds, mail = map(Gateway, ("sms", "crm", "charges", "refunds", "mail"))


def send_sms(phone: str, *, text: str, key: str) -> int:
    return sms.send(key=key, to=phone, text=text)


def charge(order: str, *, amount: Decimal, key: str) -> int:
    """Take money; the number is the gateway's own for this charge."""
    return charges.send(key=key, order=order, amount=str(amount))


def refund(order: str, *, amount: Decimal, key: str) -> int:
    return refunds.send(key=key, order=order, amount=str(amount))


def tell_crm(lead: str, *, status: str, key: str, **more: str) -> int:
    return crm.send(key=key, lead=lead, status=status, **more)
