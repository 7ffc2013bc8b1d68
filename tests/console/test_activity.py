"""The console's activity: who did what, page by page and filtered; messages that were not ours; no secret in either."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from holdfast.console import activity as views
from holdfast.ledger import audit, security
from holdfast.ledger.security import Kind, Sighting

ROOT = "/holdfast/"


@pytest.fixture
def lines(console: str) -> str:
    audit.note("pause", actor="ada", detail="queue mail: a flood")
    audit.note("replay", actor="eve", job="job-1")
    audit.note("discard", actor="ada", count=1200, detail=json.dumps({"task": "shop.charge"}))
    before = {"headers": "{}", "body": "c2VjcmV0LXBhc3N3b3Jk"}
    audit.note("edit", actor="eve", job="job-1", detail=json.dumps({"before": before}))
    audit.note("purge", actor="", count=3, detail="<b>queue</b>")
    return console


def shown(client: Client, **asked: Any) -> list[str]:
    page = client.get(f"{ROOT}api/activity/", asked)
    assert page.status_code == 200, page.content
    return [line["action"] for line in page.json()["lines"]]


def test_actions_are_shown_newest_first_with_what_they_were_about(
    lines: str, viewer: Client
) -> None:
    assert shown(viewer) == ["purge", "edit", "discard", "replay", "pause"]
    page = viewer.get(f"{ROOT}api/activity/").json()
    assert page["lines"][2]["detail"] == {"task": "shop.charge"}
    assert page["lines"][4]["detail"] == "queue mail: a flood"
    assert page["actions"] == ["discard", "edit", "pause", "purge", "replay"]
    html = viewer.get(f"{ROOT}activity/").content.decode()
    assert "&lt;b&gt;queue&lt;/b&gt;" in html
    assert "1,200 jobs" in html
    assert "nobody said" in html
    assert "shop.charge" in html


def test_what_an_edited_job_was_called_with_is_shown_to_nobody(
    lines: str, administrator: Client
) -> None:
    for address in ("activity/", "api/activity/"):
        assert b"c2VjcmV0" not in administrator.get(f"{ROOT}{address}").content


def test_actions_are_found_by_who_what_and_about_which_job(lines: str, viewer: Client) -> None:
    assert shown(viewer, actor="ada") == ["discard", "pause"]
    assert shown(viewer, action="edit", actor="eve") == ["edit"]
    assert shown(viewer, job="job-1") == ["edit", "replay"]
    assert shown(viewer, since="2020-01-01", until="2021-01-01") == []
    assert len(shown(viewer, since="2020-01-01 00:00")) == 5
    html = viewer.get(f"{ROOT}activity/", {"actor": "nobody"}).content
    assert b"Nobody has done anything that matches." in html
    assert viewer.get(f"{ROOT}activity/", {"since": "soon"}).status_code == 400


def test_pages_go_on_behind_each_other(
    lines: str, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PAGE", 2)
    found: list[str] = []
    before: dict[str, int] = {}
    while True:
        page = viewer.get(f"{ROOT}api/activity/", before).json()
        found += [line["action"] for line in page["lines"]]
        if page["before"] is None:
            break
        before = {"before": page["before"]}
    assert found == ["purge", "edit", "discard", "replay", "pause"]
    asked = {"actor": "ada", "before": str(before["before"])}
    html = viewer.get(f"{ROOT}activity/", asked).content.decode()
    assert "actor=ada" in html


def test_messages_that_were_not_ours_are_a_list_of_their_own(console: str, viewer: Client) -> None:
    security.note(Sighting(kind=Kind.FORGED_TICKET, queue="mail", task="<i>", job="j", count=4))
    security.note(Sighting(kind=Kind.UNSIGNED, queue="mail", count=1, accepted=True))
    page = viewer.get(f"{ROOT}api/activity/security/").json()
    assert [(line["kind"], line["count"], line["accepted"]) for line in page["lines"]] == [
        ("unsigned message", 1, True),
        ("forged ticket", 4, False),
    ]
    html = viewer.get(f"{ROOT}activity/security/").content.decode()
    assert "&lt;i&gt;" in html
    assert "run all the same" in html
    (line,) = viewer.get(f"{ROOT}api/activity/security/", {"kind": "forged ticket"}).json()["lines"]
    assert line["queue"] == "mail"
    assert viewer.get(f"{ROOT}activity/security/", {"kind": "x"}).status_code == 400


def test_who_may_not_look_sees_nothing(lines: str, nobody: Client) -> None:
    for address in ("activity/", "activity/security/", "queues/", "workers/", "limits/"):
        assert nobody.get(f"{ROOT}{address}").status_code in {302, 403}
        assert nobody.get(f"{ROOT}api/{address}").status_code == 401


def test_cost_of_a_page_does_not_follow_the_audit(console: str, viewer: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connections[console]) as queries:
            assert viewer.get(f"{ROOT}activity/").status_code == 200
        return len(queries)

    audit.note("pause", actor="ada")
    few = asked()
    audit.note_each("pause", actor="ada", jobs=[f"job-{n}" for n in range(500)])
    assert asked() == few
