"""What leaves for each kind of channel, to the letter, and what becomes of a channel that refuses."""

from __future__ import annotations

import hashlib
import hmac
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import override_settings

from holdfast.alerts import channels
from holdfast.alerts.errors import NotSent, Refused
from holdfast.alerts.stated import Channel, read
from tests.receivers import Web, mailbox, web

BODY: dict[str, Any] = {
    "what": "fired",
    "rule": "payments",
    "severity": "critical",
    "source": "shop",
    "title": "shop.charge: 2 dead letters <in> 15 minutes (and 1 more)",
    "at": "2026-11-22T08:00:00+00:00",
    "link": "https://shop.example/holdfast/alerts/",
    "alerts": [
        {
            "subject": "shop.charge 1a2b",
            "summary": "shop.charge: 2 dead letters <in> 15 minutes",
            "since": "2026-11-22T07:59:00+00:00",
            "facts": {"count": 2},
            "link": "https://shop.example/holdfast/errors/1a2b/",
            "dedup": "holdfast:7:1",
        },
        {
            "subject": "shop.refund 3c4d",
            "summary": "shop.refund: 1 dead letter & more",
            "since": "2026-11-22T07:59:00+00:00",
            "facts": {},
            "link": "",
            "dedup": "holdfast:8:1",
        },
    ],
    "more": 3,
}
RECOVERED = BODY | {"what": "recovered", "title": "Recovered: it is over"}


@pytest.fixture
def receiver() -> Iterator[Web]:
    with web() as server:
        yield server


def channel(kind: str, **options: Any) -> Channel:
    return read({"channels": {"it": {"kind": kind, **options}}}).channels["it"]


def test_slack(receiver: Web) -> None:
    slack = channel("slack", url=f"{receiver.url}/services/T/B/X")
    assert channels.send(slack, BODY, "key") == "HTTP 202"
    assert receiver.bodies("/services/T/B/X") == [
        {
            "text": "*shop.charge: 2 dead letters &lt;in&gt; 15 minutes (and 1 more)*",
            "attachments": [
                {
                    "color": "#c0392b",
                    "text": "• shop.charge: 2 dead letters &lt;in&gt; 15 minutes\n"
                    "• shop.refund: 1 dead letter &amp; more\n"
                    "... and 3 more\n"
                    "<https://shop.example/holdfast/alerts/|Open in Holdfast>",
                    "footer": "shop · payments · critical",
                    "mrkdwn_in": ["text"],
                }
            ],
        }
    ]
    channels.send(slack, RECOVERED, "key")
    assert receiver.bodies()[1]["attachments"][0]["color"] == "#1e8449"


def test_pagerduty_raises_and_resolves_the_same_incident(receiver: Web) -> None:
    pager = channel("pagerduty", routing_key="R0UT1NG", url=f"{receiver.url}/v2/enqueue")
    assert channels.PAGERDUTY == "https://events.pagerduty.com/v2/enqueue"
    channels.send(pager, BODY, "key")
    channels.send(pager, RECOVERED, "key")
    assert receiver.bodies("/v2/enqueue") == [
        {
            "routing_key": "R0UT1NG",
            "event_action": "trigger",
            "dedup_key": "holdfast:7:1",
            "client": "Holdfast",
            "client_url": "https://shop.example/holdfast/alerts/",
            "payload": {
                "summary": "shop.charge: 2 dead letters <in> 15 minutes (and 1 more)",
                "source": "shop",
                "severity": "critical",
                "timestamp": "2026-11-22T08:00:00+00:00",
                "component": "shop.charge 1a2b",
                "group": "payments",
                "custom_details": {"count": 2},
            },
        },
        {"routing_key": "R0UT1NG", "event_action": "resolve", "dedup_key": "holdfast:7:1"},
    ]


def test_webhook_is_signed_and_says_which_message_it_is(receiver: Web) -> None:
    hook = channel("webhook", url=f"{receiver.url}/hook", secret="s3cret", headers={"X-Team": "a"})
    channels.send(hook, BODY, "fired:1a2b")
    (posted,) = receiver.posted
    assert posted.body == BODY
    assert posted.headers["Idempotency-Key"] == "fired:1a2b"
    assert posted.headers["X-Team"] == "a"
    digest = hmac.new(b"s3cret", posted.data, hashlib.sha256).hexdigest()
    assert posted.headers["X-Holdfast-Signature"] == f"sha256={digest}"


def test_mail() -> None:
    with (
        mailbox() as (mails, port),
        override_settings(
            EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=port,
            SERVER_EMAIL="holdfast@shop.example",
        ),
    ):
        email = channel("email", to=["ops@shop.example", "cto@shop.example"])
        assert channels.send(email, BODY, "key") == "mail to 2"
        assert channels.send(email, BODY, "key") == "mail to 2"
    mail, again = mails
    assert mail["Subject"] == "[shop] shop.charge: 2 dead letters <in> 15 minutes (and 1 more)"
    assert (mail["From"], mail["To"]) == (
        "holdfast@shop.example",
        "ops@shop.example, cto@shop.example",
    )
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == again["Message-ID"]
    assert str(mail.get_payload()).replace("\r", "").splitlines() == [
        "shop.charge: 2 dead letters <in> 15 minutes",
        "shop.refund: 1 dead letter & more",
        "... and 3 more",
        "",
        "shop, rule payments, critical, 2026-11-22T08:00:00+00:00",
        "https://shop.example/holdfast/alerts/",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a module that it imports
def test_apprise(monkeypatch: pytest.MonkeyPatch, receiver: Web) -> None:
    """Its own webhook, over the real package."""
    apprise = channel("apprise", url=f"json://127.0.0.1:{receiver.server_address[1]}/x")
    assert channels.send(apprise, BODY, "key") == "apprise"
    (body,) = receiver.bodies("/x")
    assert body["title"] == BODY["title"]
    assert body["type"] == "failure"
    assert "... and 3 more" in body["message"]
    receiver.answers.append((500, {}))
    with pytest.raises(NotSent, match="apprise could not send it"):
        channels.send(apprise, BODY, "key")
    with pytest.raises(Refused, match="does not know this kind of address"):
        channels.send(channel("apprise", url="pigeon://coop"), BODY, "key")
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(Exception, match=r"pip install 'holdfast\[apprise\]'"):
        channels.send(apprise, BODY, "key")


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Refused), (404, Refused), (429, NotSent), (503, NotSent)]
)
def test_answer_that_is_an_error_says_so_and_when_to_come_back(
    status: int, kind: type[NotSent], receiver: Web
) -> None:
    receiver.answers.append((status, {"Retry-After": "7"}))
    with pytest.raises(NotSent, match=f"HTTP {status} ok") as raised:
        channels.send(channel("webhook", url=f"{receiver.url}/secret"), BODY, "key")
    assert type(raised.value) is kind
    assert raised.value.headers["Retry-After"] == "7"
    assert "secret" not in str(raised.value)


def test_no_redirect_is_followed(receiver: Web) -> None:
    receiver.answers.append((302, {"Location": f"{receiver.url}/elsewhere"}))
    with pytest.raises(NotSent, match="HTTP 302"):
        channels.send(channel("webhook", url=f"{receiver.url}/here"), BODY, "key")
    assert [one.path for one in receiver.posted] == ["/here"]


def test_channel_that_does_not_answer_is_named_without_its_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(NotSent, match="no answer: ConnectionRefusedError") as raised:
        channels.send(channel("slack", url="http://127.0.0.1:1/secret"), BODY, "key")
    assert "secret" not in str(raised.value)
    with (
        override_settings(
            EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=1,
        ),
        pytest.raises(NotSent, match="mail server did not take it: ConnectionRefusedError"),
    ):
        channels.send(channel("email", to="ops@shop.example"), BODY, "key")
    assert channels.TIMEOUT_SECONDS <= 10
    silent = SimpleNamespace(open=lambda *_, **__: (_ for _ in ()).throw(TimeoutError("secret")))
    monkeypatch.setattr(channels, "_opener", silent)
    with pytest.raises(NotSent, match="no answer: TimeoutError") as raised:
        channels.send(channel("webhook", url="http://127.0.0.1:1/secret"), BODY, "key")
    assert "secret" not in str(raised.value)
