"""The list of jobs: as HTML and JSON, searched, paged, and what is done to the ticked ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from holdfast import Celery
from holdfast.ledger import audit
from holdfast.ledger.models import Job
from holdfast.ledger.states import State
from holdfast.testing.services import RedisServer
from tests.rows import hire
from tests.searched import called, failed, queued, running, succeeded
from tests.surroundings import shop_app

JOBS = "/holdfast/jobs/"
API = "/holdfast/api/jobs/"


@pytest.fixture
def app(console: str, redis_server: RedisServer) -> Iterator[Celery]:
    """An app whose broker is there and empty, with a task that has a secret."""
    with shop_app(redis_server.url, number=13) as app:
        yield app


@pytest.fixture
def worker(console: str, app: Celery) -> UUID:
    return hire()


def asked(client: Client, q: str = "", **more: Any) -> dict[str, Any]:
    """Return the list as JSON."""
    answer = client.get(API, {"q": q, **more})
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def shown(client: Client, q: str = "", **more: Any) -> str:
    """Return the page."""
    answer = client.get(JOBS, {"q": q, **more})
    assert answer.status_code == 200
    return answer.content.decode()


def test_list_says_what_each_job_is(viewer: Client, worker: UUID) -> None:
    bad = failed(worker, task="shop.charge", error="Timeout('<b>late</b>')")
    waits = queued(task="mail.send", queue="mail")

    found = asked(viewer)
    assert [row["id"] for row in found["jobs"]] == [waits, bad]
    assert found["jobs"][1]["error"] == "Timeout('<b>late</b>')"
    assert found["jobs"][1]["state"] == "failed"
    assert (found["next"], found["previous"], found["looked_to"], found["unread"]) == (
        "",
        "",
        None,
        0,
    )
    assert {tab["state"]: tab["count"] for tab in found["tabs"] if tab["count"]} == {
        "": 2,
        "queued": 1,
        "failed": 1,
    }
    html = shown(viewer)
    for text in (
        bad,
        waits,
        "shop.charge",
        "mail.send",
        "&lt;b&gt;late",
        'class="pill state-failed"',
    ):
        assert text in html
    assert "<b>late" not in html
    assert 'name="ids"' not in html


def test_search_is_in_the_address_in_words_or_by_key(viewer: Client, worker: UUID) -> None:
    bad = failed(worker, task="shop.charge")
    queued(task="shop.charge")
    for query in (
        {"q": "state:failed task:shop.*"},
        {"state": "failed", "task": "shop.*"},
        {"q": "state:failed", "task": "shop.charge"},
    ):
        found = viewer.get(API, query).json()
        assert [row["id"] for row in found["jobs"]] == [bad]
        assert found["sort"] == "last_finished"
    assert found["filter"] == {"state": "failed", "task": "shop.charge"}
    html = shown(viewer, "state:failed task:shop.*")
    assert f'href="?q={quote("task:shop.*", safe="")}"' in html
    assert 'href="?q=state%3Afailed"' in html
    assert 'aria-current="page"' in html


def test_pages_follow_one_another(viewer: Client, console: str) -> None:
    ids = [queued() for _ in range(5)][::-1]
    first = asked(viewer, limit=2)
    second = asked(viewer, limit=2, cursor=first["next"])
    assert [row["id"] for row in first["jobs"] + second["jobs"]] == ids[:4]
    back = asked(viewer, limit=2, cursor=second["previous"])
    assert [row["id"] for row in back["jobs"]] == ids[:2]
    assert "hx-get" in shown(viewer, limit=2)
    behind = shown(viewer, limit=2, cursor=first["next"])
    assert "hx-get" not in behind
    assert 'rel="prev"' in behind
    assert 'rel="next"' in behind


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"q": "staet:failed"}, "did you mean state:"),
        ({"state": "faild"}, "did you mean 'failed'"),
        ({"cursor": "abc"}, "cursor"),
        ({"sort": "sideways"}, "sort"),
        ({"limit": "0"}, "limit"),
    ],
)
def test_what_cannot_be_asked_is_told(viewer: Client, query: dict[str, str], told: str) -> None:
    answer = viewer.get(API, query)
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


def test_a_slip_in_the_box_is_told_above_it_and_stays_to_be_mended(
    viewer: Client, console: str
) -> None:
    queued()
    html = shown(viewer, 'staet:failed "')
    assert "nothing ends" in html
    html = shown(viewer, "staet:failed")
    assert "did you mean state:" in html
    assert 'value="staet:failed"' in html
    assert "<tbody>" not in html
    assert viewer.get(JOBS, {"cursor": "abc"}).status_code == 400


def test_a_cursor_of_another_search_is_refused(viewer: Client, console: str) -> None:
    queued()
    queued()
    cursor = asked(viewer, limit=1)["next"]
    answer = viewer.get(API, {"q": "state:queued", "cursor": cursor})
    assert answer.status_code == 400
    assert "another search" in answer.json()["error"]["message"]


def test_arguments_are_found_and_secrets_are_not(viewer: Client, worker: UUID) -> None:
    found_by = queued(task="shop.charge", body=called("4111", 7, api_token="s3cret"))
    queued(task="shop.charge", body=called("4112", 8, api_token="other"))
    for text in ("args.amount:7", "args.1:7", "args.card:4111", "args.card:411* args.1:7"):
        assert [row["id"] for row in asked(viewer, text)["jobs"]] == [found_by], text
    for text in ("args.api_token:s3cret", "kwargs.api_token:s*", "args.amount:77"):
        assert asked(viewer, text)["jobs"] == [], text
    assert "s3cret" not in shown(viewer, "args.amount:7")


def test_jobs_whose_arguments_cannot_be_searched_are_counted(viewer: Client, worker: UUID) -> None:
    queued(body=b"x", content_type="application/x-yaml")
    queued(body=b"x", content_encoding="utf-8+encrypted:0a")
    found = asked(viewer, "args.amount:7")
    assert (found["jobs"], found["unread"]) == ([], 2)
    assert [tab["count"] for tab in found["tabs"]] == [None] * 9
    assert "of 2 jobs that were looked at cannot be searched" in shown(viewer, "args.amount:7")


def test_an_empty_list_says_what_to_do(viewer: Client, console: str) -> None:
    assert "delay()" in shown(viewer)
    assert "Take a word out" in shown(viewer, "state:failed")


# -- what is done to the ticked ones --------------------------------------------------------------------


def test_ticked_jobs_are_cancelled_with_the_name_of_who_did_it(
    operator: Client, worker: UUID, console: str
) -> None:
    waits, runs, over = queued(), running(worker).id, succeeded(worker)
    assert 'name="ids"' in shown(operator)
    answer = operator.post(f"{JOBS}selected/cancel/", {"ids": [waits, runs, over, "gone"]})
    assert answer.status_code == 303
    told = shown(operator)
    assert "2 jobs are cancelled." in told
    assert "2 were left as they are: they had ended before." in told
    states = dict(Job.objects.using(console).values_list("id", "state"))
    assert (states[waits], states[runs], states[over]) == (
        State.CANCELLED,
        State.CANCELLED,
        State.SUCCEEDED,
    )
    for id in (waits, runs):
        (line,) = audit.lines(job=id)
        assert (line.actor, line.action) == ("operate@test", "cancel")


def test_ticked_jobs_are_put_back_to_work(operator: Client, worker: UUID, app: Celery) -> None:
    bad, waits = failed(worker), queued()
    answer = operator.post(
        f"{API}selected/replay/", {"ids": [bad, waits]}, content_type="application/json"
    )
    assert answer.json() == {
        "message": "1 job is back at work. 1 was left as it is: they have not ended yet.",
        "moved": 1,
        "left": 1,
    }
    assert app.outbox.publisher.client().llen("q") == 1
    assert [line.actor for line in audit.lines(job=bad)] == ["operate@test"]


def test_ticked_dead_letters_are_discarded(operator: Client, worker: UUID, console: str) -> None:
    bad, over = failed(worker), succeeded(worker)
    answer = operator.post(f"{API}selected/discard/", {"ids": [bad, over]})
    assert (answer.json()["moved"], answer.json()["left"]) == (1, 1)
    assert Job.objects.using(console).get(id=bad).reason == "discarded"


def test_ticked_jobs_are_moved_to_another_queue(
    operator: Client, worker: UUID, console: str, app: Celery
) -> None:
    waits, runs = queued(), running(worker).id
    answer = operator.post(f"{API}selected/reroute/", {"ids": [waits, runs], "queue": "other"})
    assert (answer.json()["moved"], answer.json()["left"]) == (1, 1)
    assert Job.objects.using(console).get(id=waits).queue == "other"
    assert app.outbox.publisher.client().llen("other") == 1
    (line,) = audit.lines(job=waits)
    assert (line.actor, line.action) == ("operate@test", "reroute")
    nothing = operator.post(f"{JOBS}selected/reroute/", {"ids": [waits]})
    assert nothing.status_code == 422
    assert "Name a queue or a priority" in nothing.content.decode()
    assert f'value="{waits}"' in nothing.content.decode()


@pytest.mark.parametrize("verb", ["cancel", "replay", "discard", "reroute"])
def test_only_who_operates_moves_jobs(viewer: Client, operator: Client, verb: str) -> None:
    id = queued()
    assert viewer.post(f"{API}selected/{verb}/", {"ids": [id]}).status_code == 403
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert operator.post(f"{API}selected/{verb}/", {"ids": [id]}).status_code == 403
    assert audit.lines() == []


def test_nothing_or_too_much_ticked_is_told(operator: Client) -> None:
    answer = operator.post(f"{API}selected/cancel/", {})
    assert answer.status_code == 422
    assert "tick one at least" in answer.json()["error"]["message"]
    answer = operator.post(f"{API}selected/cancel/", {"ids": [str(n) for n in range(501)]})
    assert "501 jobs are more than the 500" in answer.json()["error"]["message"]


def test_page_costs_the_same_statements_with_one_job_as_with_many(
    operator: Client, worker: UUID, console: str
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connections[console]) as captured:
            shown(operator)
        return len(captured)

    failed(worker)
    few = statements()
    for _ in range(70):
        queued()
    failed(worker)
    assert statements() == few <= 26
