"""The page of one job: what it says, what it hides, and what it costs."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

import holdfast
from holdfast import Celery, Unique, dead_letters
from holdfast.ledger import audit, checkpoints, effects, interventions, logs, transitions
from holdfast.ledger.ids import new_id
from holdfast.ledger.models import Attempt, Job, Payload
from holdfast.ledger.reads import one_job
from holdfast.ledger.records import StoredResult, Use
from holdfast.testing.services import RedisServer
from tests import limited
from tests.console.job_rows import ROOT, STARS, claim, fail, record, row
from tests.rows import hire, new_job
from tests.surroundings import shop_app

JSON: dict[str, Any] = {"content_type": "application/json", "content_encoding": "utf-8"}


@pytest.fixture(autouse=True)
def app(console: str, redis_server: RedisServer) -> Iterator[Celery]:
    with shop_app(redis_server.url, number=13) as app:
        yield app


@pytest.fixture
def worker(console: str) -> UUID:
    return hire()


def data(client: Client, id: str) -> Any:
    answer = client.get(f"{ROOT}api/jobs/{id}/")
    assert answer.status_code == 200, answer.content
    return answer.json()


def text(client: Client, id: str) -> str:
    answer = client.get(f"{ROOT}jobs/{id}/")
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def test_waiting_job_says_why_on_top(viewer: Client) -> None:
    id = record("4242", 7, queue="mail")
    (wait, *_) = data(viewer, id)["waits"]
    assert (wait["kind"], wait["trouble"]) == ("unserved", True)
    shown = text(viewer, id)
    assert "No live worker takes jobs from the queue mail." in shown
    assert "<title>shop.charge · queued" in shown
    assert f"/jobs/{id}/cancel/" not in shown, "a viewer has no buttons"
    assert 'hx-get="' in shown, "it looks again by itself"


def test_failed_job_says_why_with_the_last_line_and_its_past(viewer: Client, worker: UUID) -> None:
    id = record("4242", 7)
    hold = claim(id, worker)
    with logs.kept_with_the_end(hold, lambda: "charging\ntold no"):
        transitions.retry(
            hold,
            job=new_job(id, task="shop.charge", body=b'[["4242", 7], {}, {}]'),
            stored=None,
            error="Timeout('slow')",
        )
    fail(id, worker)
    said = data(viewer, id)
    assert (said["state"], said["reason"], said["error"]) == (
        "failed",
        "error",
        "ValueError('no such card')",
    )
    assert said["last_line"] == "ValueError('no such card')"
    attempts = [event["attempt"] for event in said["events"]]
    assert [(a["number"], a["outcome"], a["worker_name"]) for a in attempts] == [
        (1, "retried", "w"),
        (2, "failed", "w"),
    ]
    assert attempts[0]["log"] == ["charging", "told no"]
    shown = text(viewer, id)
    assert "Why it failed" in shown
    assert shown.count('class="lane ') == 2
    assert 'hx-get="' not in shown, "it is over: nothing changes by itself"


def test_secrets_are_hidden_wherever_they_stand(viewer: Client, worker: UUID) -> None:
    id = record(
        "4242", 7, "hush-place", kwargs={"password": "hush-name"}, headers={"token": "hush-header"}
    )
    hold = claim(id, worker)
    checkpoints.save(hold, json.dumps({"secret": "hush-checkpoint", "done": 3}))
    stored = StoredResult(status="SUCCESS", result=b'{"api_key": "hush-result", "ok": 1}', **JSON)
    said = data(viewer, id)
    assert said["checkpoint"]["value"] == {"secret": STARS, "done": 3}
    transitions.succeed(hold, stored=stored)
    said = data(viewer, id)
    assert said["call"]["args"]["value"] == ["4242", 7, STARS]
    assert said["call"]["kwargs"]["value"] == {"password": STARS}
    assert said["result"]["value"] == {"api_key": STARS, "ok": 1}
    assert "hush" not in json.dumps(said)
    assert "hush" not in text(viewer, id)


def test_what_people_did_stands_between_the_attempts(operator: Client, worker: UUID) -> None:
    id = fail(record("4242", 7, kwargs={"api_token": "hush"}), worker)
    dead_letters.filter(ids=[id]).replay(actor="ada", args=["4243", 7])
    fail(id, worker)
    events = data(operator, id)["events"]
    kinds = [(event["action"] or event["attempt"]["outcome"], event["actor"]) for event in events]
    assert kinds == [("failed", ""), ("edit", "ada"), ("replay", "ada"), ("failed", "")]
    assert events[1]["detail"] == "", "the arguments of old are no detail: they hold secrets"
    assert events[1]["difference"] == ['- args:   "4242",', '+ args:   "4243",']
    shown = text(operator, id)
    assert "<del>" in shown
    assert "hush" not in shown


def test_large_arguments_are_shown_in_part_and_can_be_fetched_by_operators(
    viewer: Client, operator: Client
) -> None:
    many = [{"n": n, "password": "hush"} for n in range(20_000)]
    id = record(many)
    call = data(viewer, id)["call"]
    assert call["args"]["value"] is None
    assert 60_000 < len(call["args"]["text"]) <= 65_536
    shown = text(viewer, id)
    assert "the first part" in shown
    assert "Download" not in shown
    assert "hush" not in shown
    assert "Download all of it" in text(operator, id)
    assert viewer.get(f"{ROOT}api/jobs/{id}/call/").status_code == 403
    whole = operator.get(f"{ROOT}api/jobs/{id}/call/").json()
    assert whole["args"][0][19_999] == {"n": 19_999, "password": STARS}
    assert operator.get(f"{ROOT}jobs/{id}/call/").status_code == 200


def test_large_result_is_shown_in_part_and_can_be_fetched_by_operators(
    viewer: Client, operator: Client, worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = claim(record("4242"), worker)
    value = json.dumps([{"n": n, "api_key": "hush"} for n in range(3_000)]).encode()
    transitions.succeed(hold, stored=StoredResult(status="SUCCESS", result=value, **JSON))
    result = data(viewer, hold.id)["result"]
    assert (result["value"], len(result["text"])) == (None, 65_536)
    assert "hush" not in text(viewer, hold.id)
    assert "-result.json" in text(operator, hold.id)
    assert viewer.get(f"{ROOT}api/jobs/{hold.id}/result/").status_code == 403
    whole = operator.get(f"{ROOT}api/jobs/{hold.id}/result/").json()
    assert whole["result"][2_999] == {"n": 2_999, "api_key": STARS}
    assert operator.get(f"{ROOT}jobs/{hold.id}/result/").status_code == 200
    monkeypatch.setattr(one_job, "LARGEST", 10)
    assert operator.get(f"{ROOT}api/jobs/{record('4242')}/result/").status_code == 404


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"body": b"\xff{"}, "cannot be decoded"),
        ({"body": b"cos", "content_type": "application/x-python-serialize"}, "cannot be decoded"),
        ({"content_encoding": "utf-8+encrypted:1a2b3c4d"}, "1a2b3c4d"),
        ({"headers": "{"}, "cannot be decoded"),
    ],
)
def test_call_that_cannot_be_read_says_why(viewer: Client, more: dict[str, Any], says: str) -> None:
    id = record("4242", **more)
    call = data(viewer, id)["call"]
    assert says in call["note"]
    assert call["args"]["value"] is None
    assert says in text(viewer, id)


def test_body_beyond_all_measure_is_not_read(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_job, "LARGEST", 10)
    id = record("4242", 7)
    call = data(viewer, id)["call"]
    assert "not read here" in call["note"]
    Payload.objects.using("ledger").filter(job=id).delete()
    assert data(viewer, id)["call"] is None
    assert "not in the ledger any more" in text(viewer, id)


def test_running_job_shows_how_far_it_is(viewer: Client, worker: UUID) -> None:
    hold = claim(record("4242", 7), worker)
    far = StoredResult(status="PROGRESS", result=b'{"done": 3, "total": 12}', **JSON)
    transitions.store_result(hold.id, far, hold=hold)
    said = data(viewer, hold.id)
    assert said["progress"]["fraction"] == 0.25
    assert said["waits"][0]["kind"] == "running"
    shown = text(viewer, hold.id)
    assert 'value="0.250"' in shown
    assert "What it does" in shown


def test_job_shows_its_family_its_chord_and_what_is_to_come(
    viewer: Client, app: Celery, worker: UUID
) -> None:
    transitions.record([new_job("r", root_id="r")])
    step = {"task": "shop.charge", "args": [], "kwargs": {}, "options": {}}
    body = json.dumps([[], {}, {"chain": [step], "callbacks": None}]).encode()
    transitions.record([new_job("r1", root_id="r", parent_id="r", group_id="g", body=body)])
    for n in range(2, 30):
        transitions.record([new_job(f"r1{n}", root_id="r", parent_id="r1")])
    family = data(viewer, "r1")["family"]
    assert (family["root"]["id"], family["parent"]["id"]) == ("r", "r")
    assert (len(family["children"]), family["more"]) == (20, True)
    assert data(viewer, "r1")["steps"] == [{"task": "shop.charge", "where": "chain"}]
    shown = text(viewer, "r1")
    assert f'href="{ROOT}jobs/r/"' in shown
    assert "chain: shop.charge" in shown


def test_job_leads_to_its_queue_its_worker_its_cause_and_to_others_of_any_id(
    viewer: Client, worker: UUID
) -> None:
    id = fail(record("4242"), worker)
    transitions.record([new_job("odd/id", root_id=id, parent_id=id)])
    shown = text(viewer, id)
    for link in ("queues/q/", f"workers/{worker}/", f"errors/{row(id).fingerprint}/"):
        assert f'href="{ROOT}{link}"' in shown
    assert "<a>t</a>" in shown, "an id with a slash has no page, and breaks none"


def test_job_shows_what_it_holds(viewer: Client, app: Celery, worker: UUID) -> None:
    @app.task(name="shop.report", shared=False, unique=Unique(scope="unfinished"))
    def report(day: str) -> None:
        """Never run here."""

    id = report.delay("monday").id
    key = data(viewer, id)["key"]
    assert (key["holder"], "shop.report" in key["key"]) == (id, True)
    limited.bound(concurrency=1)
    limited.wait("narrow", Use("l"))
    limited.admit()
    assert data(viewer, "narrow")["limits"] == [
        {"limit": "l", "key": "", "weight": 1, "place": "admitted"}
    ]
    hold = claim(record("4242"), worker)
    effects.begin("charge:1", turn=UUID(int=1), hold=hold, keep=timedelta(days=1), take_over=True)
    assert [effect["key"] for effect in data(viewer, hold.id)["effects"]] == ["charge:1"]
    assert "charge:1" in text(viewer, hold.id)


def test_member_shows_how_far_its_batch_is(viewer: Client, app: Celery) -> None:
    with holdfast.Batch("import") as batch:
        jobs = [app.tasks["shop.charge"].delay("4242", n) for n in range(3)]
    interventions.cancel([jobs[0].id], running=True)
    part = data(viewer, jobs[1].id)["batch"]
    assert (part["id"], part["name"], part["open"], part["ended"]) == (batch.id, "import", 2, 1)
    assert "1 of its members have ended" in text(viewer, jobs[1].id)


def test_job_that_is_not_there_may_have_been_deleted(viewer: Client, worker: UUID) -> None:
    transitions.succeed(claim(record("4242"), worker), stored=None)
    gone = viewer.get(f"{ROOT}api/jobs/{new_id()}/")
    assert gone.status_code == 404
    said = gone.json()["error"]["message"]
    for part in (
        "Its id was made at",
        "are deleted 1 d after their end",
        "ended at",
        "never recorded",
    ):
        assert part in said
    assert viewer.get(f"{ROOT}jobs/nobody/").status_code == 404


def test_nobody_sees_it_without_the_permission(nobody: Client) -> None:
    id = record("4242")
    assert nobody.get(f"{ROOT}api/jobs/{id}/").status_code == 401
    assert nobody.get(f"{ROOT}jobs/{id}/").status_code in {302, 403}


def test_cost_does_not_follow_what_the_job_has_been_through(
    viewer: Client, console: str, worker: UUID
) -> None:
    small = fail(record("4242", 7), worker)
    big = fail(record("4242", 7, root_id=small), worker)
    last = row(big)
    assert last.finished_at is not None
    Attempt.objects.using(console).bulk_create(
        Attempt(
            job=big,
            number=n,
            token=0,
            outcome="retried",
            started_at=last.recorded_at,
            ended_at=last.finished_at,
            error="e",
            traceback="x" * 100_000,
        )
        for n in range(1, 200)
    )
    Attempt.objects.using(console).filter(job=big, outcome="failed").update(
        number=200, id=10_000_000
    )
    Job.objects.using(console).filter(id=big).update(attempts=200)
    for _ in range(20):
        audit.note("replay", actor="ada", job=big)
        record("4242", root_id=small, parent_id=big)
    costs = {}
    for id in (small, big):
        with CaptureQueriesContext(connections[console]) as asked:
            said = data(viewer, id)
        costs[id] = len(asked)
    assert costs[big] <= costs[small] + 1, "the parent is looked up beside the root"
    assert costs[big] <= 30
    assert said["left_out"] == 150
    assert len(said["events"]) == 70
    assert len(json.dumps(said)) < 1_100_000


def test_log_of_ten_thousand_lines_is_shown_in_part(viewer: Client, worker: UUID) -> None:
    hold = claim(record("4242"), worker)
    with logs.kept_with_the_end(hold, lambda: "\n".join(f"line {n}" for n in range(10_000))):
        transitions.succeed(hold, stored=None)
    (event,) = data(viewer, hold.id)["events"]
    assert len(event["attempt"]["log"]) == 500
    assert event["lines_left_out"] > 4_000
    assert "more lines are not shown" in text(viewer, hold.id)


def test_picture_is_on_one_scale_and_nothing_is_too_narrow(viewer: Client, worker: UUID) -> None:
    id = fail(record("4242"), worker)
    Job.objects.using("ledger").filter(id=id).update(recorded_at=Now() - timedelta(days=30))
    shown = text(viewer, id)
    assert 'width="4.0" height="14"' in shown
    assert 'x="996.0"' in shown
    assert " style=" not in shown


def test_who_administers_gets_from_a_running_job_to_the_stacks_of_its_worker(
    viewer: Client, administrator: Client, worker: UUID, app: Celery
) -> None:
    id = record("4242", 7)
    claim(id, worker)
    link = f'href="{ROOT}workers/{worker}/stacks/"'
    assert link in text(administrator, id)
    assert link not in text(viewer, id)
    app.conf.worker_enable_remote_control = False
    assert link not in text(administrator, id)
