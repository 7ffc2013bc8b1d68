"""The doctor's page: the last examination as HTML and JSON, and who may ask for another one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client, override_settings

from holdfast.console import attention
from holdfast.console import doctor as view
from holdfast.doctor.findings import REGISTRY
from holdfast.doctor.probing import probes
from holdfast.doctor.report import Report, Skipped
from holdfast.ledger import audit, examinations

PAGE, DATA = "/holdfast/doctor/", "/holdfast/api/doctor/"
EXAMINE = "/holdfast/api/doctor/examine/"


def _seen(*ids: str) -> Report:
    probes()
    found = [REGISTRY[f"holdfast.{id}"].seen(f"<b>seen</b> {id}") for id in ids]
    skipped = [
        Skipped(probe="redis_has_room", area="broker", because="the broker is not reachable")
    ]
    return Report(findings=found, skipped=skipped, seconds=1.5)


@pytest.fixture
def examined(console: str) -> None:
    """One error of the broker's, one warning of the settings'."""
    examinations.keep(_seen("E312", "W364", "W002").as_dict(), actor="ada")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let an examination find one thing at once; returns how it was asked."""
    asked: list[dict[str, Any]] = []

    def examine(**options: Any) -> Report:
        asked.append(options)
        return _seen("E312")

    monkeypatch.setattr(view, "examine", examine)
    return asked


def test_page_says_that_nobody_has_asked(viewer: Client) -> None:
    assert "has not been asked yet" in viewer.get(PAGE).text
    said = viewer.get(DATA).json()
    assert (said["examined_at"], said["stale"], said["findings"]) == (None, True, [])


def test_findings_are_shown_with_what_to_do_first(viewer: Client, examined: None) -> None:
    html = viewer.get(PAGE).text
    assert "<title>Doctor: 1 error" in html
    assert "First mend holdfast.E312" in html
    assert "&lt;b&gt;seen&lt;/b&gt; E312" in html
    assert 'Not looked at, because <span lang="en">the broker is not reachable' in html
    assert "doctor/examine/" not in html  # a viewer has no button

    said = viewer.get(DATA).json()
    assert [found["id"][9:] for found in said["findings"]] == ["E312", "W364", "W002"]
    assert (said["errors"], said["warnings"], said["examined_by"]) == (1, 2, "ada")
    assert said["findings"][0]["area"] == "Broker"
    assert said["findings"][0]["repair"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("severity=error", ["E312"]),
        ("severity=warning", ["W364", "W002"]),
        ("area=Broker", ["E312", "W364"]),
        ("severity=warning&area=System+checks", ["W002"]),
        ("severity=info", []),
    ],
)
def test_findings_are_chosen(viewer: Client, examined: None, query: str, ids: list[str]) -> None:
    said = viewer.get(f"{DATA}?{query}").json()
    assert [found["id"][9:] for found in said["findings"]] == ids


def test_choice_that_is_none_is_refused(viewer: Client, examined: None) -> None:
    answer = viewer.get(f"{DATA}?severity=awful")
    assert (answer.status_code, "severity" in answer.text) == (400, True)


def test_operator_examines_and_the_audit_says_so(
    operator: Client, quick: list[dict[str, Any]]
) -> None:
    answer = operator.post(EXAMINE, {"deploy": "on"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["counts"] == {"error": 1, "warning": 0, "info": 0}
    assert quick == [{"deploy": True}]
    assert operator.get(DATA).json()["errors"] == 1
    (line,) = audit.lines()
    assert (line.action, line.actor) == ("examine", "operate@test")


def test_button_asks_at_once(operator: Client, examined: None, quick: list[dict[str, Any]]) -> None:
    assert 'action="/holdfast/doctor/examine/"' in operator.get(PAGE).text
    answer = operator.post("/holdfast/doctor/examine/", {"deploy": ""})
    assert (answer.status_code, answer["Location"]) == (303, PAGE)
    assert quick == [{"deploy": False}]


def test_viewer_may_not_examine(viewer: Client, quick: list[dict[str, Any]]) -> None:
    assert viewer.post(EXAMINE).status_code == 403
    assert quick == []


def test_nobody_examines_where_the_console_is_read_only(
    operator: Client, quick: list[dict[str, Any]]
) -> None:
    from django.conf import settings

    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert operator.post(EXAMINE).status_code == 403
    assert quick == []


def test_only_the_last_one_is_kept_and_its_counts_are_cheap(console: str) -> None:
    examinations.keep(_seen("E312").as_dict(), actor="ada")
    examinations.keep(_seen().as_dict(), actor="bob")
    last = examinations.last()
    assert last is not None
    assert (last.by, last.errors, last.report["findings"]) == ("bob", 0, [])
    counts = examinations.last_counts()
    assert counts is not None
    assert (counts.errors, counts.report) == (0, {})


def test_page_asks_two_statements_whatever_was_found(
    viewer: Client, console: str, django_assert_max_num_queries: Any
) -> None:
    from django.db import connections

    for found in (("E312",), tuple(id[9:] for id in REGISTRY)):
        examinations.keep(_seen(*found).as_dict(), actor="ada")
        with django_assert_max_num_queries(2, connection=connections[console]):
            assert viewer.get(DATA).status_code == 200


def test_real_examination_from_a_web_process(operator: Client) -> None:
    """Not replaced: what it finds here is its own matter, that it is kept is ours."""
    answer = operator.post(EXAMINE, {"deploy": ""})
    assert answer.status_code == 200, answer.text
    assert operator.get(DATA).json()["examined_by"] == "operate@test"


def test_errors_are_on_the_list_of_what_needs_attention(console: str) -> None:
    seen = attention.Seen(now=datetime.now(UTC), queues=[], workers=[])
    assert list(view.errors_of_the_doctor(seen)) == []
    examinations.keep(_seen("W364").as_dict(), actor="ada")
    assert list(view.errors_of_the_doctor(seen)) == []
    examinations.keep(_seen("E312", "E310").as_dict(), actor="ada")
    (trouble,) = view.errors_of_the_doctor(seen)
    assert trouble.sentence.endswith(": 2")
    assert trouble.url == f"{PAGE}?severity=error"
    assert (view.errors_of_the_doctor, 30.0) in attention._SOURCES
