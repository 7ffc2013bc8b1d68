"""How a message leaves: one HTTP request, or one mail. Errors say what was answered, and never the secret address."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    Request,
    build_opener,
)

from holdfast.alerts.errors import NotSent, Refused
from holdfast.alerts.stated import Channel
from holdfast.exceptions import ConfigurationError

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
TIMEOUT_SECONDS = 10.0
_COLOURS = {"critical": "#c0392b", "warning": "#d68910", "recovered": "#1e8449"}
Body = Mapping[str, Any]


def send(channel: Channel, body: Body, key: str) -> str:
    """Send a message, and return what was answered; the same key again is the same message.

    Raises:
        NotSent: the channel does not answer, or answers with an error.
    """
    return _SENDERS[channel.kind](channel, body, key)


def _slack(channel: Channel, body: Body, _key: str) -> str:
    lines = [_escaped(alert["summary"]) for alert in body["alerts"]]
    if len(body["alerts"]) > 1 or body["more"]:
        lines = [f"• {line}" for line in lines] + _more(body)
    if body["link"]:
        lines.append(f"<{body['link']}|Open in Holdfast>")
    message = {
        "text": f"*{_escaped(body['title'])}*",
        "attachments": [
            {
                "color": _COLOURS.get(body["what"], _COLOURS[body["severity"]]),
                "text": "\n".join(lines),
                "footer": f"{body['source']} · {body['rule']} · {body['severity']}",
                "mrkdwn_in": ["text"],
            }
        ],
    }
    return _post(channel.options["url"], message)


def _pagerduty(channel: Channel, body: Body, _key: str) -> str:
    alert = body["alerts"][0]
    event: dict[str, Any] = {
        "routing_key": channel.options["routing_key"],
        "event_action": "resolve" if body["what"] == "recovered" else "trigger",
        "dedup_key": alert["dedup"],
    }
    if event["event_action"] == "trigger":
        event |= {
            "client": "Holdfast",
            "client_url": body["link"] or None,
            "payload": {
                "summary": body["title"][:1024],
                "source": body["source"],
                "severity": body["severity"],
                "timestamp": body["at"],
                "component": alert["subject"],
                "group": body["rule"],
                "custom_details": alert.get("facts") or {},
            },
        }
    return _post(channel.options.get("url") or PAGERDUTY, event)


def _webhook(channel: Channel, body: Body, key: str) -> str:
    headers = {"Idempotency-Key": key, **channel.options.get("headers", {})}
    return _post(channel.options["url"], body, headers, secret=channel.options.get("secret"))


def _email(channel: Channel, body: Body, key: str) -> str:
    from django.conf import settings
    from django.core.mail import EmailMessage, get_connection

    to = channel.options["to"]
    lines = [alert["summary"] for alert in body["alerts"]] + _more(body)
    about = f"{body['source']}, rule {body['rule']}, {body['severity']}, {body['at']}"
    server: Any = get_connection()
    # Django's own default is to wait for ever for a mail server that is silent.
    if getattr(server, "timeout", 0) is None:
        server.timeout = TIMEOUT_SECONDS
    mail = EmailMessage(
        connection=server,
        subject=f"[{body['source']}] {body['title']}".replace("\n", " ")[:200],
        body="\n".join([*lines, "", about, *([body["link"]] if body["link"] else [])]),
        from_email=channel.options.get("from") or settings.SERVER_EMAIL,
        to=[to] if isinstance(to, str) else list(to),
        # One that comes twice is shown once by many programs.
        headers={
            "Message-ID": f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@holdfast.invalid>",
            "Auto-Submitted": "auto-generated",
        },
    )
    try:
        mail.send()
    except Exception as error:
        raise NotSent(
            f"the mail server did not take it: {type(error).__name__}: {error}"
        ) from error
    return f"mail to {len(mail.to)}"


def _apprise(channel: Channel, body: Body, _key: str) -> str:
    try:
        import apprise
    except ImportError as error:
        raise ConfigurationError(
            f"Channel {channel.name!r} is of kind 'apprise', and that is not installed: "
            "pip install 'holdfast[apprise]'."
        ) from error
    kinds = {"recovered": apprise.NotifyType.SUCCESS, "test": apprise.NotifyType.INFO}
    worst = apprise.NotifyType.FAILURE
    usual = worst if body["severity"] == "critical" else apprise.NotifyType.WARNING
    # It keeps nothing on disk.
    sender = apprise.Apprise(
        asset=apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY)
    )
    if not sender.add(channel.options["url"]):
        raise Refused(f"channel {channel.name}: apprise does not know this kind of address")
    lines = [alert["summary"] for alert in body["alerts"]] + _more(body)
    if not sender.notify(
        title=body["title"],
        body="\n".join([*lines, *([body["link"]] if body["link"] else [])]),
        notify_type=kinds.get(body["what"], usual),
    ):
        raise NotSent(f"channel {channel.name}: apprise could not send it; its log says why")
    return "apprise"


_SENDERS: dict[str, Callable[[Channel, Body, str], str]] = {
    "slack": _slack,
    "pagerduty": _pagerduty,
    "webhook": _webhook,
    "email": _email,
    "apprise": _apprise,
}


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would carry the message, and its key, to somewhere nobody has named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none."""


class _Cut(HTTPConnection):
    """Cut at the end of its time, however slowly an answer drips in: a socket's timeout begins anew at each byte."""

    def connect(self) -> None:
        """Connect, and let a thread wait for the end."""
        super().connect()
        end = Timer(TIMEOUT_SECONDS, _shut, (self.sock,))
        end.daemon = True
        end.start()


class _CutTls(_Cut, HTTPSConnection):
    """The same over TLS."""


def _shut(sock: socket.socket) -> None:
    # Most are closed by then.
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class _Plain(HTTPHandler):
    def http_open(self, req: Request) -> Any:
        """Open what is cut."""
        return self.do_open(_Cut, req)


class _Tls(HTTPSHandler):
    def https_open(self, req: Request) -> Any:
        """Open what is cut; certificates are verified."""
        return self.do_open(_CutTls, req)


_opener = build_opener(_NoRedirects, _Plain, _Tls)


def _post(
    url: str, said: Any, headers: Mapping[str, str] | None = None, *, secret: str | None = None
) -> str:
    data = json.dumps(said, default=str).encode()
    all_headers = {
        "Content-Type": "application/json",
        "User-Agent": "Holdfast",
        **(headers or {}),
    }
    if secret:
        digest = hmac.new(str(secret).encode(), data, "sha256").hexdigest()
        all_headers["X-Holdfast-Signature"] = f"sha256={digest}"
    request = Request(url, data=data, headers=all_headers, method="POST")  # noqa: S310  # http(s), see rules
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return f"HTTP {answer.status}"
    except HTTPError as error:
        with error:
            words = error.read(200).decode(errors="replace").strip()
        kind = Refused if error.code in {400, 401, 403, 404, 410} else NotSent
        raise kind(f"HTTP {error.code} {words}".strip(), headers=error.headers) from None
    except (URLError, OSError, ValueError, HTTPException) as error:
        # Without its cause: the address may be in its words.
        reason = getattr(error, "reason", error)
        raise NotSent(f"no answer: {type(reason).__name__}") from None


def _more(body: Body) -> list[str]:
    return [f"... and {body['more']} more"] if body["more"] else []


def _escaped(text: str) -> str:
    """Write a text so that Slack takes nothing of it for its own signs."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
