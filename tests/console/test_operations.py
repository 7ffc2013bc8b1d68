"""Operations in the console: tried out, sure, asked for, watched and stopped, each by who may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import Client, override_settings

from holdfast import operations
from holdfast.ledger import audit, transitions
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.states import State
from tests.integration.test_idle_statements import counted
from tests.rows import hire, new_job
from tests.surroundings import current_app

ROOT = "/holdfast/"
PRINT = "0123456789abcdef"


@pytest.fixture(autouse=True)
def _app(console: str) -> Iterator[None]:
    with current_app("redis://127.0.0.1:1/0"):
        yield


def dead_letters(many: int, **more: Any) -> list[str]:
    """Record jobs that have failed of one cause, whoever ran them."""
    ids = [ticket.id for ticket in transitions.record([new_job(**more) for _ in range(many)])]
    Job.objects.using("ledger").filter(id__in=ids).update(
        state=State.FAILED, fingerprint=PRINT, finished_at=Now()
    )
    return ids


def asked(client: Client, **values: Any) -> Any:
    sent = {"kind": "discard", "filter": "task:t", **values}
    return client.post(f"{ROOT}api/operations/ask/", sent)


def told(answer: Any) -> str:
    return str(answer.json()["error"]["message"])


def test_trial_counts_and_shows_some_as_page_and_as_json(operator: Client) -> None:
    ids = dead_letters(7)
    data = operator.post(
        f"{ROOT}api/operations/try/", {"kind": "replay", "filter": "task:t"}
    ).json()
    assert (data["count"], data["exact"], data["filter"]) == (7, True, "task:t")
    assert {sample["id"] for sample in data["samples"]} < set(ids)
    answer = operator.post(f"{ROOT}operations/try/", {"kind": "replay", "filter": "task:t"})
    html = operator.get(answer["Location"]).content.decode()
    assert "Replay: 7 jobs" in html
    assert sum(id in html for id in ids) == 5
    assert "Type the number" not in html
    none = operator.get(f"{ROOT}operations/new/?kind=replay&filter=task:other").content.decode()
    assert "No job matches" in none
    assert 'action="/holdfast/operations/ask/"' not in none
    assert operations.listed() == []


def test_what_is_asked_for_is_shown_with_its_progress(operator: Client, viewer: Client) -> None:
    dead_letters(3)
    answer = asked(operator, reason="the gateway is gone")
    (row,) = operations.listed()
    assert answer.json()["operation"] == row.id
    assert (row.actor, row.reason, row.total) == ("operate@test", "the gateway is gone", 3)
    (line,) = audit.lines()
    assert (line.action, line.actor) == ("operation", "operate@test")

    page = viewer.get(f"{ROOT}operations/{row.id}/").content.decode()
    assert "No worker lives" in page
    assert "the gateway is gone" in page
    assert "task:t" in page
    hire()
    assert "No worker lives" not in viewer.get(f"{ROOT}operations/").content.decode()
    operations.run()
    data = viewer.get(f"{ROOT}api/operations/{row.id}/").json()
    assert data["waits_for_worker"] is False
    assert data["operation"]["percent"] == 100
    assert (data["operation"]["row"]["state"], data["operation"]["row"]["done"]) == ("done", 3)
    (shown,) = viewer.get(f"{ROOT}api/operations/").json()["operations"]
    assert shown["words"] == "task:t"
    assert viewer.get(f"{ROOT}operations/999/").status_code == 404


def test_many_jobs_are_moved_only_with_their_number_typed(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.console.operations.SURE", 3)
    dead_letters(5)
    html = operator.get(f"{ROOT}operations/new/?kind=discard&filter=task:t").content.decode()
    assert "Type the number" in html
    refused = asked(operator, shown=5)
    assert (refused.status_code, "5 jobs match: type this number" in told(refused)) == (409, True)
    assert asked(operator, shown=5, typed="4").status_code == 409
    dead_letters(5)
    late = asked(operator, shown=5, typed="5")
    assert "10 jobs match by now, and 5 were shown" in told(late)
    assert operations.listed() == []
    assert asked(operator, shown=10, typed="10").status_code == 200


def test_queue_that_nobody_serves_is_told_and_served_ones_are_proposed(operator: Client) -> None:
    hire()  # of the queue q
    transitions.record([new_job(queue="slow")])
    page = operator.get(f"{ROOT}operations/new/?kind=queue&filter=queue:slow").content.decode()
    assert '<option value="q"></option>' in page
    sent = {"kind": "queue", "filter": "queue:slow"}
    told_of = asked(operator, **sent, queue="fsat").json()["message"]
    assert "No live worker takes jobs from the queue fsat." in told_of
    assert "No live worker" not in asked(operator, **sent, queue="q").json()["message"]


def test_operation_leads_to_its_jobs_and_the_audit_to_the_operation(operator: Client) -> None:
    dead_letters(1)
    id = asked(operator).json()["operation"]
    page = operator.get(f"{ROOT}operations/{id}/").content.decode()
    assert f'href="{ROOT}jobs/?q=task%3At"' in page
    lines = operator.get(f"{ROOT}activity/").content.decode()
    assert f'href="{ROOT}operations/{id}/"' in lines


def test_everything_is_refused_unless_it_is_said(operator: Client) -> None:
    dead_letters(1)
    assert (
        "every job there is" in operator.get(f"{ROOT}operations/new/?kind=replay").content.decode()
    )
    assert "everything=True" in told(asked(operator, filter=""))
    assert asked(operator, filter="", everything="on").status_code == 200


def test_slips_are_told(operator: Client) -> None:
    assert asked(operator, kind="repaly").status_code == 422
    assert "tsak" in told(asked(operator, filter="tsak:t"))
    assert "Say queue" in told(asked(operator, kind="queue"))
    wrong = operator.get(f"{ROOT}operations/new/?kind=nothing")
    assert wrong.status_code == 400
    assert operations.listed() == []


def test_operation_is_stopped_once(operator: Client) -> None:
    dead_letters(1)
    id = asked(operator).json()["operation"]
    assert operator.post(f"{ROOT}api/operations/{id}/stop/").status_code == 200
    again = operator.post(f"{ROOT}api/operations/{id}/stop/")
    assert (again.status_code, "was over before" in told(again)) == (409, True)
    assert operations.run() == 0
    missing = operator.post(f"{ROOT}api/operations/999/stop/")
    assert (missing.status_code, "no operation 999" in told(missing)) == (409, True)


def test_who_may_look_asks_for_nothing(viewer: Client) -> None:
    dead_letters(1)
    assert asked(viewer).status_code == 403
    assert viewer.post(f"{ROOT}api/operations/1/stop/").status_code == 403
    assert viewer.post(f"{ROOT}api/operations/try/", {"kind": "replay"}).status_code == 403
    assert viewer.get(f"{ROOT}operations/new/?kind=replay").status_code == 403
    assert operations.listed() == []


def test_nobody_asks_for_anything_where_it_is_read_only(operator: Client) -> None:
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert asked(operator).status_code == 403
    assert operations.listed() == []


def test_list_goes_on_on_the_next_page_and_asks_as_often_for_many(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.console.operations.PAGE", 4)
    for _ in range(6):
        operations.ask("replay", {"task": "t"}, actor="ada")
    with counted("ledger") as statements:
        first = viewer.get(f"{ROOT}api/operations/").json()
    assert len(first["operations"]) == 4
    assert len(statements) <= 3
    rest = viewer.get(f"{ROOT}api/operations/?before={first['before']}").json()
    assert (len(rest["operations"]), rest["before"]) == (2, None)
    assert "before=" in viewer.get(f"{ROOT}operations/").content.decode()
    assert not Worker.objects.using("ledger").exists()
    assert json.dumps(first)
