"""The console's alerts: what fires and who was told, and who may mute, switch and test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from holdfast import alerts
from holdfast.alerts.deciding import Sign
from holdfast.alerts.watching import Watch
from holdfast.ledger import alerts as ledger
from holdfast.ledger import audit
from tests.receivers import Web, web

ROOT = "/holdfast/"
SIGN = Sign(subject="queue mail", summary="Queue mail is <old>.", path="queues/mail/")


@pytest.fixture
def receiver() -> Iterator[Web]:
    with web() as server:
        yield server


@pytest.fixture
def firing(console: str, receiver: Web) -> Iterator[str]:
    """One alert that was told; returns the ledger's alias."""
    stated = {
        "channels": {"ops": {"kind": "slack", "url": f"{receiver.url}/services/S3CRET"}},
        "rules": [{"when": "oldest", "name": "old/queues"}],
    }
    with override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": stated}):
        Watch(look=lambda _: [SIGN]).one_pass()
        yield console


def post(client: Client, path: str, **asked: Any) -> Any:
    return client.post(f"{ROOT}api/alerts/{path}/", asked)


def test_what_fires_is_shown_with_its_rule_and_its_messages(firing: str, viewer: Client) -> None:
    page = viewer.get(f"{ROOT}api/alerts/").json()
    (alert,) = page["firing"]
    assert (alert["rule"], alert["state"], alert["severity"]) == ("old/queues", "firing", "warning")
    assert (alert["url"], alert["muted"]) == (f"{ROOT}queues/mail/", False)
    (rule,) = page["rules"]
    assert (rule["about"], rule["firing"], rule["on"]) == ("queue *, above 600 s", 1, True)
    (message,) = page["messages"]
    assert (message["channel"], message["tries"], message["error"]) == ("ops", 1, "")
    assert message["sent_at"]
    assert (page["problem"], page["watched"]) == ("", True)
    html = viewer.get(f"{ROOT}alerts/").content.decode()
    assert "Queue mail is &lt;old&gt;." in html
    assert f'href="{ROOT}queues/mail/"' in html
    assert "S3CRET" not in html + str(page)
    assert "/mute/" not in html  # who may only look sees no button
    assert f'href="{ROOT}alerts/"' in viewer.get(ROOT).content.decode()


def test_nothing_to_show_says_where_rules_are_said(console: str, viewer: Client) -> None:
    html = viewer.get(f"{ROOT}alerts/").content.decode()
    assert "Nothing fires." in html
    assert "HOLDFAST['alerts']" in html


def test_rules_without_a_channel_say_why_nobody_looks(console: str, viewer: Client) -> None:
    stated = {"rules": [{"when": "oldest"}]}
    with override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": stated}):
        html = viewer.get(f"{ROOT}alerts/").content.decode()
    assert "names no channel" in html
    assert "no worker and no scheduler" not in html


def test_settings_that_cannot_be_followed_are_a_problem_and_no_error(
    console: str, viewer: Client
) -> None:
    wrong = {**settings.HOLDFAST, "alerts": {"rules": [{"when": "full_moon"}]}}
    with override_settings(HOLDFAST=wrong):
        page = viewer.get(f"{ROOT}api/alerts/").json()
        assert "full_moon" in page["problem"]
        assert b"full_moon" in viewer.get(f"{ROOT}alerts/").content


def test_administrator_mutes_and_switches_rules_and_alerts(
    firing: str, administrator: Client, viewer: Client
) -> None:
    assert (
        post(administrator, "rules/old/queues/mute", hours="2", reason="deploy").status_code == 200
    )
    (rule,) = viewer.get(f"{ROOT}api/alerts/").json()["rules"]
    assert (rule["muted"], rule["reason"]) == (True, "deploy")
    assert b"Unmute" in administrator.get(f"{ROOT}alerts/").content
    assert post(administrator, "rules/old/queues/mute", hours="0").status_code == 200
    assert post(administrator, "rules/old/queues/off", reason="noise").status_code == 200
    assert [rule.on for rule in alerts.rules()] == [False]
    assert b"Switch on" in administrator.get(f"{ROOT}alerts/").content
    assert post(administrator, "rules/old/queues/on").status_code == 200
    assert [rule.on for rule in alerts.rules()] == [True]
    (alert,) = alerts.listed()
    assert post(administrator, f"{alert.id}/mute", hours="1").status_code == 200
    assert alerts.listed()[0].muted_until is not None
    actions = [line.action for line in audit.lines(limit=9)]
    assert actions == [
        "mute alert",
        "switch alert rule on",
        "switch alert rule off",
        "unmute alert rule",
        "mute alert rule",
    ]
    assert {line.actor for line in audit.lines(limit=9)} != {""}


def test_test_message_says_what_was_answered_or_refused(
    firing: str, administrator: Client, receiver: Web
) -> None:
    done = post(administrator, "channels/ops/test")
    assert (done.status_code, "HTTP 202" in done.json()["message"]) == (200, True)
    receiver.answers.append((404, {}))
    refused = post(administrator, "channels/ops/test")
    assert refused.status_code == 409
    assert "HTTP 404" in str(refused.json())
    assert "S3CRET" not in str(refused.json())
    assert len(receiver.bodies()) == 3


def test_wrong_settings_are_no_fault_of_the_channel(
    console: str, administrator: Client, receiver: Web
) -> None:
    wrong = {"channels": {"ops": {"kind": "webhook", "url": receiver.url, "sceret": "S3CRET"}}}
    with override_settings(HOLDFAST={**settings.HOLDFAST, "alerts": wrong}):
        refused = post(administrator, "channels/ops/test")
    assert refused.status_code == 409
    said = str(refused.json())
    assert "has 'sceret', which means nothing here: did you mean 'secret'?" in said.replace(
        "\\", ""
    )
    assert "address" not in said
    assert "S3CRET" not in said
    assert not receiver.posted


@pytest.mark.parametrize(
    "path", ["rules/old/queues/mute", "rules/old/queues/off", "1/mute", "channels/ops/test"]
)
def test_nobody_else_may(path: str, firing: str, operator: Client, viewer: Client) -> None:
    for client in (operator, viewer):
        assert post(client, path, hours="1").status_code == 403
    assert [rule.on for rule in alerts.rules()] == [True]


def test_what_is_not_there_is_not_found_and_bad_hours_are_refused(
    firing: str, administrator: Client
) -> None:
    assert post(administrator, "rules/none/mute", hours="1").status_code == 404
    assert post(administrator, "rules/none/off").status_code == 404
    assert post(administrator, "4711/mute", hours="1").status_code == 404
    assert post(administrator, "channels/none/test").status_code == 404
    for hours in ("-1", "9999", "soon", ""):
        assert post(administrator, "rules/old/queues/mute", hours=hours).status_code == 422


def test_read_only_console_changes_nothing(firing: str, administrator: Client) -> None:
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert post(administrator, "rules/old/queues/mute", hours="1").status_code == 403


def test_page_costs_the_same_with_many_alerts(firing: str, viewer: Client) -> None:
    few = statements(firing, viewer)
    now = ledger.now()
    ledger.save(
        ledger.AlertRow(
            rule="old/queues",
            subject=f"queue {number}",
            severity="warning",
            state="recovered",
            summary="It was old.",
            since=now,
            seen_at=now - timedelta(hours=1),
        )
        for number in range(100)
    )
    assert statements(firing, viewer) == few
    assert len(viewer.get(f"{ROOT}api/alerts/").json()["recovered"]) == 50


def statements(alias: str, client: Client) -> int:
    with CaptureQueriesContext(connections[alias]) as queries:
        client.get(f"{ROOT}api/alerts/")
    return len(queries)
