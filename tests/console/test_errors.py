"""Groups of errors in the console: what is shown, found and tried, by who may, at a bounded cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import Client, override_settings

from holdfast.console.alike import alike
from holdfast.ledger import audit, failures, transitions
from holdfast.ledger.models import Attempt, Job, Payload, Worker
from holdfast.ledger.records import Hold
from holdfast.ledger.states import State
from tests.integration.test_idle_statements import counted
from tests.rows import FAILURE, hire, new_job
from tests.surroundings import current_app

ROOT = "/holdfast/"
TRACEBACK = (
    'Traceback:\n  File "/srv/shop/tasks.py", line 3, in charge\n    pay(<card>)\nTimeout: slow'
)


@pytest.fixture(autouse=True)
def _app(console: str) -> Iterator[None]:
    with current_app("redis://127.0.0.1:1/0"):
        yield


@pytest.fixture
def worker(console: str) -> UUID:
    return hire()


def fail(worker: UUID, *, error: str = "Timeout('slow <gateway>')", **more: Any) -> str:
    (ticket,) = transitions.record([new_job(**more)])
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    hold = Hold(job.id, job.token, worker)
    assert transitions.fail(
        hold, stored=FAILURE, error=error, kind="builtins.Timeout", traceback=TRACEBACK
    )
    failures.count(limit=10)
    return job.id


def print_of(id: str) -> str:
    return Job.objects.using("ledger").get(id=id).fingerprint


def groups(client: Client, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"{ROOT}api/errors/{query}").json()["groups"]
    return found


def test_groups_are_listed_with_counts_and_a_chart(viewer: Client, worker: UUID) -> None:
    ids = [fail(worker, task="shop.charge") for _ in range(3)]
    (group,) = groups(viewer)
    assert (group["task"], group["letters"], group["hour"], group["day"]) == (
        "shop.charge",
        3,
        3,
        3,
    )
    assert group["sample"] in ids
    html = viewer.get(f"{ROOT}errors/").content.decode()
    assert f'href="/holdfast/errors/{group["fingerprint"]}/"' in html
    assert "Timeout(&#x27;slow &lt;gateway&gt;&#x27;)" in html
    assert 'aria-label="3 failed attempts in 24 hours"' in html
    assert 'd="M141 24v-24h2v24z"' in html


def test_nothing_has_failed(viewer: Client) -> None:
    assert groups(viewer) == []
    assert "Nothing has failed." in viewer.get(f"{ROOT}errors/").content.decode()
    assert "fits this" in viewer.get(f"{ROOT}errors/?q=x").content.decode()


def test_groups_are_found_and_sorted(viewer: Client, worker: UUID) -> None:
    for _ in range(2):
        fail(worker, task="often", queue="slow")
    fail(worker, task="last", error="KeyError('b')")

    def tasks(query: str) -> list[str]:
        return [group["task"] for group in groups(viewer, query)]

    assert tasks("") == ["last", "often"]
    assert tasks("?sort=count") == ["often", "last"]
    assert tasks("?queue=slow") == tasks("?q=GATEWAY") == tasks("?task=often") == ["often"]
    assert tasks("?within=hour") == ["last", "often"]
    assert viewer.get(f"{ROOT}api/errors/?within=year").status_code == 400
    assert 'value="GATEWAY"' in viewer.get(f"{ROOT}errors/?q=GATEWAY").content.decode()


def test_more_groups_than_a_page_go_on_on_the_next(
    viewer: Client, worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.console.errors.PAGE", 2)
    for number in range(3):
        fail(worker, task=f"t{number}")
    answer = viewer.get(f"{ROOT}api/errors/?page=2").json()
    assert ([g["task"] for g in answer["groups"]], answer["total"], answer["pages"]) == (
        ["t0"],
        3,
        2,
    )
    assert "page=2" in viewer.get(f"{ROOT}errors/").content.decode()


def test_group_shows_its_traceback_jobs_and_what_they_have_in_common(
    viewer: Client, worker: UUID
) -> None:
    ids = [fail(worker, task="shop.charge", queue="slow") for _ in range(4)]
    for number, id in enumerate(ids):
        body = f'[[{number}], {{"gateway": "west", "api_token": "s3cret"}}, {{}}]'.encode()
        Payload.objects.using("ledger").filter(job=id).update(body=body)
    Worker.objects.using("ledger").update(release="0123456789abcdef")
    address = f"errors/{print_of(ids[0])}/"
    data = viewer.get(f"{ROOT}api/{address}").json()
    assert (data["group"]["letters"], data["looked_at"]) == (4, 4)
    assert data["traceback"] == TRACEBACK
    assert data["traceback_of"] == ids[-1]
    common = {each["what"]: (each["value"], each["count"], each["of"]) for each in data["alike"]}
    assert common == {
        "queue": ("slow", 4, 4),
        "worker": ("w", 4, 4),
        "code of the worker": ("0123456789ab", 4, 4),
        "argument gateway": ("west", 4, 4),
    }
    assert [letter["id"] for letter in data["letters"]] == ids[::-1]
    assert (len(data["chart"]["times"]), sum(data["chart"]["failures"])) == (168, 4.0)
    html = viewer.get(f"{ROOT}{address}").content.decode()
    assert "pay(&lt;card&gt;)" in html
    assert "s3cret" not in html
    assert "Try one" not in html
    gone = viewer.get(f"{ROOT}errors/{'0' * 16}/")
    assert gone.status_code == 404


def test_value_that_is_one_of_several_does_not_stand_out(worker: UUID) -> None:
    ids = [fail(worker, queue=f"q{number}") for number in range(5)]
    assert "queue" not in {each.what for each in alike(ids)}
    assert alike(ids[:2]) == []


def test_one_is_tried_before_the_rest(operator: Client, viewer: Client, worker: UUID) -> None:
    first, last = (fail(worker) for _ in range(2))
    address = f"{ROOT}errors/{print_of(first)}/"
    html = operator.get(address).content.decode()
    assert "Try one" in html
    assert f"kind=replay&amp;filter=fingerprint%3A{print_of(first)}" in html
    assert "kind=discard" in html
    assert viewer.post(f"{address}probe/").status_code == 403

    answer = operator.post(f"{address}probe/")
    assert answer["Location"] == f"{address}?probe={last}"
    (line,) = audit.lines()
    assert (line.action, line.actor, line.count) == ("replay", "operate@test", 1)
    rows = Job.objects.using("ledger")
    # Nothing listens there: it is held for the relay.
    assert (rows.get(id=last).state, rows.get(id=first).state) == (State.HELD, State.FAILED)
    assert "Wait for its end" in operator.get(answer["Location"]).content.decode()
    rows.filter(id=last).update(state=State.SUCCEEDED)
    assert "Replay the rest" in operator.get(answer["Location"]).content.decode()
    rows.filter(id=last).update(state=State.FAILED)
    assert "most likely fail too" in operator.get(answer["Location"]).content.decode()


def test_nothing_is_tried_where_none_is_left_or_it_is_read_only(
    operator: Client, worker: UUID
) -> None:
    id = fail(worker)
    address = f"{ROOT}api/errors/{print_of(id)}/probe/"
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert operator.post(address).status_code == 403
    Job.objects.using("ledger").filter(id=id).update(state=State.CANCELLED)
    refused = operator.post(address)
    assert refused.status_code == 409
    assert "No dead letter is left" in refused.json()["error"]["message"]


def test_pages_ask_as_often_for_many_as_for_few(viewer: Client, worker: UUID) -> None:
    def asked(many: int) -> tuple[int, int]:
        for number in range(many):
            fail(worker, task=f"t{number}")
            id = fail(worker, task="one")
        with counted("ledger") as of_list:
            viewer.get(f"{ROOT}errors/")
        with counted("ledger") as of_one:
            viewer.get(f"{ROOT}errors/{print_of(id)}/")
        return len(of_list), len(of_one)

    few = asked(1)
    assert few == asked(12)
    assert max(few) <= 24
    old = Attempt.objects.using("ledger").update(ended_at=Now() - timedelta(days=1))
    assert old
