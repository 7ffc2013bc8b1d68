"""Where mails go: a mail server that is named, else the gateway; read by every process."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from jost.settings.environment import Environment

_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def settings(environment: Environment, *, seconds: float) -> dict[str, Any]:
    """Return Django's settings of mails; a server may take as long to answer as a gateway."""
    said: dict[str, Any] = {
        "DEFAULT_FROM_EMAIL": environment.EMAIL_FROM or "JOST <jost@localhost>",
        "EMAIL_TIMEOUT": seconds,
    }
    if environment.EMAIL_URL is None:
        by_gateway = {"EMAIL_BACKEND": "jost.gateways.email.EmailBackend"}
        return said | (by_gateway if environment.JOST_GATEWAYS_URL else {})
    server = urlsplit(environment.EMAIL_URL.get_secret_value())
    return said | {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": server.hostname or "localhost",
        "EMAIL_PORT": server.port or _PORTS[server.scheme],
        "EMAIL_HOST_USER": unquote(server.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(server.password or ""),
        "EMAIL_USE_TLS": server.scheme == "smtp+tls",
        "EMAIL_USE_SSL": server.scheme == "smtps",
    }
