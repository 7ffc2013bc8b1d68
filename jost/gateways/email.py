"""Django's mails by way of the mail gateway, so that its record can tell how often each arrived."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from .clients import GatewayError, mail

# A header of a mail that says what it is, so that a second one like it can be told.
KEY_HEADER = "X-Effect-Key"


class EmailBackend(BaseEmailBackend):
    """Sends each mail by one call of the gateway; raises `GatewayError` unless told to be silent."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        sent = 0
        for message in email_messages:
            try:
                mail.send(
                    key=str(message.extra_headers.get(KEY_HEADER, "")),
                    to=", ".join(message.recipients()),
                    subject=str(message.subject),
                    text=str(message.body),
                    **_more_headers(message),
                )
            except GatewayError:
                if not self.fail_silently:
                    raise
            else:
                sent += 1
        return sent


def _more_headers(message: EmailMessage) -> dict[str, dict[str, str]]:
    headers = {name: str(value) for name, value in message.extra_headers.items()}
    for known_otherwise in (KEY_HEADER, "Message-ID"):
        headers.pop(known_otherwise, None)
    return {"headers": headers} if headers else {}
