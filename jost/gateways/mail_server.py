"""A mail goes to Django's mail server, and what went wrong is told as of any gateway; used by workers."""

from __future__ import annotations

import smtplib
import socket
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.crypto import salted_hmac

from .clients import GatewayError, GatewayRefusedError

# From here on a server means: the same will be refused again.
_FOR_GOOD = 500


def hand_over(message: EmailMessage, *, key: str) -> int:
    """Send the mail; raises `GatewayError`, and `GatewayRefusedError` for what is refused for good."""
    message.extra_headers.setdefault("Message-ID", _message_id(key))
    try:
        return int(message.send())
    except smtplib.SMTPRecipientsRefused as reason:
        codes = [code for code, _ in reason.recipients.values()]
        raise _refused(min(codes), "takes no mail for its recipients") from reason
    except smtplib.SMTPResponseException as reason:
        raise _refused(reason.smtp_code, str(reason.smtp_error)) from reason
    except smtplib.SMTPNotSupportedError as reason:
        raise GatewayRefusedError(f"The mail server cannot do that: {reason}") from reason
    except (ConnectionRefusedError, socket.gaierror) as reason:
        raise GatewayError(f"The mail server is not there: {reason}") from reason
    except OSError as reason:
        message_of = f"The mail server did not answer: {reason}"
        raise GatewayError(message_of, may_have_happened=True) from reason


def _refused(code: int, told: str) -> GatewayError:
    kind = GatewayRefusedError if code >= _FOR_GOOD else GatewayError
    return kind(f"The mail server answered {code}: {told[:200]}")


def _message_id(key: str) -> str:
    """One for each key of this deployment: a mail that is sent again is the same mail."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{salted_hmac('jost.mail', key).hexdigest()}@{domain}>"
