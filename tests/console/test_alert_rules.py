"""Rules of alerts in the console: chosen, filled in, looked at, added, changed, removed, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from holdfast import alerts
from holdfast.alerts import signs, stated
from holdfast.alerts.deciding import Sign
from holdfast.console.alert_forms import KINDS, RuleForm
from holdfast.ledger import audit
from holdfast.ledger.database import alias
from tests.alerting import stated as said
from tests.receivers import Web, web

ROOT = "/holdfast/"
NEW = f"{ROOT}alerts/rules/new/"
MAIL = {"when": "oldest", "queue": "mail", "above": "60"}


@pytest.fixture
def receiver(console: str) -> Iterator[Web]:
    with web() as server, said(server, "ops", "chat", rules=[{"when": "missed"}]):
        yield server


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest job of the queue mail is old."""
    sign = Sign(subject="queue mail", summary="Queue mail is <old>.", path="queues/mail/")
    monkeypatch.setitem(signs._LOOKS, "oldest", lambda _rule: [sign])


def post(client: Client, path: str, **asked: Any) -> Any:
    return client.post(f"{ROOT}api/alerts/rules/{path}/", asked)


def test_each_kind_is_offered_with_the_fields_of_the_settings(
    receiver: Web, administrator: Client
) -> None:
    assert KINDS.keys() == stated.KINDS.keys()
    first = administrator.get(NEW).content.decode()
    common = {"when", "name", "severity", "to", "for_seconds", "clear_seconds"}
    for kind, asks in stated.KINDS.items():
        assert f'href="?when={kind}"' in first
        assert RuleForm(initial={"when": kind}).fields.keys() == common | asks.keys()
        html = administrator.get(NEW, {"when": kind}).content.decode()
        for name in asks:
            assert f'name="{name}"' in html, (kind, name)
    assert 'value="600' in administrator.get(NEW, {"when": "oldest"}).content.decode()


def test_it_says_what_it_would_say_before_it_is_added(
    receiver: Web, old: None, administrator: Client, viewer: Client
) -> None:
    looked = administrator.get(NEW, {**MAIL, "look": "on", "to": ["ops"], "for_seconds": "30"})
    html = looked.content.decode()
    assert "Queue mail is &lt;old&gt;." in html
    assert f'href="{ROOT}queues/mail/"' in html
    assert 'action="/holdfast/alerts/rules/add/"' in html
    page = administrator.get(f"{ROOT}api/alerts/rules/new/", {**MAIL, "look": "on"}).json()
    assert (page["preview"]["count"], page["preview"]["to"]) == (1, ["ops", "chat"])
    assert not receiver.posted
    assert not alerts.listed()
    done = administrator.post(f"{ROOT}alerts/rules/add/", {**MAIL, "to": ["ops"]})
    assert (done.status_code, done.headers["Location"]) == (303, f"{ROOT}alerts/")
    html = viewer.get(f"{ROOT}alerts/").content.decode()
    assert "Rule oldest mail is added." in administrator.get(f"{ROOT}alerts/").content.decode()
    assert "oldest mail" in html
    assert "/remove/" not in html + viewer.get(ROOT).content.decode()
    shown = {r["name"]: r for r in viewer.get(f"{ROOT}api/alerts/").json()["rules"]}
    assert (shown["oldest mail"]["added"], shown["oldest mail"]["to"]) == (True, ["ops"])
    assert shown["missed"]["added"] is False
    (line,) = audit.lines(limit=5)
    assert line.action == "add alert rule"
    assert line.actor


def test_rule_is_changed_and_removed_and_what_it_says_is_shown_first(
    receiver: Web, administrator: Client
) -> None:
    assert post(administrator, "add", **MAIL, name="a/b & c").json()["rule"] == "a/b & c"
    html = administrator.get(f"{ROOT}alerts/").content.decode()
    assert f"{NEW}?change=a%2Fb%20%26%20c" in html
    html = administrator.get(NEW, {"change": "a/b & c"}).content.decode()
    assert 'value="60.0"' in html
    assert 'name="name"' not in html
    looked = {**MAIL, "above": "90", "change": "a/b & c", "look": "on"}
    assert "/change/" in administrator.get(NEW, looked).content.decode()
    changed = post(administrator, "a/b & c/change", **{**MAIL, "above": "90"})
    assert (changed.status_code, alerts.rules()[1].said["above"]) == (200, 90.0)
    assert post(administrator, "a/b & c/mute", hours="1").status_code == 200
    assert post(administrator, "a/b & c/remove").status_code == 200
    assert [rule.name for rule in alerts.rules()] == ["missed"]


def test_rules_of_the_settings_are_neither_changed_nor_removed_here(
    receiver: Web, administrator: Client
) -> None:
    html = administrator.get(f"{ROOT}alerts/").content.decode()
    assert "missed/off/" in html
    assert "missed/remove/" not in html
    for path in ("missed/remove", "missed/change", "none/remove", "none/change"):
        assert post(administrator, path, when="missed").status_code == 404
    assert administrator.get(NEW, {"change": "missed"}).status_code == 404
    assert post(administrator, "add", when="missed").status_code == 409


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"when": "full_moon"}, 422, "full_moon"),
        ({}, 422, "when"),
        ({"when": "oldest", "above": "soon"}, 422, "Enter a number"),
        ({"when": "oldest", "above": "0"}, 409, "greater than 0"),
        ({"when": "oldest", "abvoe": "5"}, 422, "abvoe means nothing to this kind of rule"),
        ({"when": "oldest", "to": ["nobody"]}, 422, "nobody"),
        ({"when": "failure_rate", "task": "a", "queue": "b"}, 409, "one of the two"),
    ],
)
def test_bad_input_is_refused_with_what_is_wrong(
    receiver: Web, administrator: Client, asked: dict[str, Any], status: int, told: str
) -> None:
    answer = post(administrator, "add", **asked)
    assert (answer.status_code, told in str(answer.json())) == (status, True), answer.json()
    looked = administrator.get(NEW, {**asked, "look": "on"})
    if asked.get("when") in KINDS:
        assert told in looked.content.decode()
        assert "/rules/add/" not in looked.content.decode()
    assert len(alerts.rules()) == 1


def test_nobody_else_may(receiver: Web, operator: Client, viewer: Client) -> None:
    alerts.add_rule({"when": "oldest", "name": "mine"}, actor="ada")
    for client in (operator, viewer):
        assert client.get(NEW).status_code == 403
        for path in ("add", "mine/change", "mine/remove"):
            assert post(client, path, **MAIL).status_code == 403
        assert "/alerts/rules/new/" not in client.get(f"{ROOT}alerts/").content.decode()
    assert len(alerts.rules()) == 2


def test_read_only_console_adds_nothing(receiver: Web, administrator: Client) -> None:
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert post(administrator, "add", **MAIL).status_code == 403
        assert administrator.get(NEW).status_code == 403


def test_channel_that_is_gone_is_said_beside_its_rule(
    receiver: Web, administrator: Client, viewer: Client
) -> None:
    post(administrator, "add", **MAIL, to=["ops"])
    with said(receiver, "chat"):
        html = viewer.get(f"{ROOT}alerts/").content.decode()
        assert "nobody is told until one of them is back" in html
        assert "hush" not in html


def test_page_costs_the_same_with_many_rules(receiver: Web, viewer: Client) -> None:
    few = statements(viewer)
    for number in range(20):
        alerts.add_rule({"when": "oldest", "name": f"rule {number}"}, actor="ada")
    assert statements(viewer) == few


def statements(client: Client) -> int:
    with CaptureQueriesContext(connections[alias()]) as queries:
        client.get(f"{ROOT}api/alerts/")
    return len(queries)
