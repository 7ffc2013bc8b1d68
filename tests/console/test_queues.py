"""The console's queues: what waits and since when, pausing and resuming, purging what was counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

import holdfast
from holdfast import operations, pausing, purging
from holdfast.console import queue_charts, queues
from holdfast.ledger import audit, transitions, workers
from holdfast.ledger.database import dialect
from holdfast.ledger.models import Job
from holdfast.ledger.models.samples import QueueSample
from holdfast.ledger.samples import Sample
from holdfast.ledger.states import State
from tests.rows import hire, new_job
from tests.surroundings import current_app

ROOT = "/holdfast/"


def record(queue: str, count: int = 1, **more: Any) -> list[Any]:
    return transitions.record([new_job(queue=queue, **more) for _ in range(count)])


def sample(ledger: str, queue: str, **waiting: int) -> None:
    """Note what waited so many minutes ago: `m5=100`."""
    now = dialect().now().replace(second=0, microsecond=0)
    rows = [
        QueueSample(
            queue=queue, at=now - timedelta(minutes=int(ago[1:])), waiting=n, oldest_seconds=n / 10
        )
        for ago, n in waiting.items()
    ]
    QueueSample.objects.using(ledger).bulk_create(rows)


def states(ledger: str) -> list[str]:
    rows = Job.objects.using(ledger).order_by("id").values_list("state", flat=True)
    return [State(state).name.lower() for state in rows]


@pytest.fixture
def busy(console: str) -> str:
    """A served queue, one that nobody serves and which is paused, and a task that is paused."""
    worker = hire()
    workers.note_queues(worker, ["mail"], slots=1)
    (first, *_) = record("mail", 3)
    record("mail", priority=9)
    transitions.claim([(first.id, first.token, False)], worker=worker)
    record("re/ports", 2)
    Job.objects.using(console).filter(queue="re/ports").update(
        published_at=Now() - timedelta(seconds=90)
    )
    pausing.pause(queue="re/ports", actor="ada", reason="the <printer> burns")
    pausing.pause(task="shop.charge", actor="ada")
    pausing.pause(queue="asleep")
    sample(console, "mail", m5=53, m0=3)
    return console


def test_queues_are_shown_with_what_waits_and_who_stopped_them(busy: str, viewer: Client) -> None:
    found = {row["name"]: row for row in viewer.get(f"{ROOT}api/queues/").json()["queues"]}
    assert sorted(found) == ["asleep", "mail", "re/ports"]
    mail, reports = found["mail"], found["re/ports"]
    assert (mail["waiting"], mail["running"], mail["by_priority"]) == (3, 1, {"9": 1, "0": 2})
    assert (mail["workers"], mail["unserved"], mail["paused"]) == (["w"], False, None)
    assert (mail["change_per_minute"], mail["empty_seconds"]) == (-10.0, pytest.approx(18))
    assert reports["unserved"]
    assert reports["oldest_seconds"] == pytest.approx(90, abs=30)
    assert (reports["paused"]["by"], reports["paused"]["reason"]) == ("ada", "the <printer> burns")
    assert reports["change_per_minute"] is None
    assert (found["asleep"]["waiting"], found["asleep"]["paused"]["by"]) == (0, "")
    assert viewer.get(f"{ROOT}api/queues/").json()["paused_tasks"] == ["shop.charge"]

    html = viewer.get(f"{ROOT}queues/").content.decode()
    assert f'href="{ROOT}queues/re/ports/"' in html
    assert "the &lt;printer&gt; burns" in html
    assert "no worker" in html
    assert "empty in" in html
    assert "resume" not in html.lower(), "who may only look is shown no button"


def test_queue_has_a_page_with_its_workers_and_what_waited(busy: str, viewer: Client) -> None:
    page = viewer.get(f"{ROOT}api/queues/mail/?hours=1").json()
    assert [worker["name"] for worker in page["workers"]] == ["w"]
    assert page["hours"] == 1
    depth = page["charts"]["depth"]
    assert len(depth["x"]) == 61
    assert set(depth["series"][0]["values"]) == {0, 3, 53}
    assert page["ended_per_minute"] == 0.0
    html = viewer.get(f"{ROOT}queues/mail/").content.decode()
    assert "<h1>Queue mail</h1>" in html
    assert 'data-chart="queue-depth"' in html
    assert "celery -A yourproject worker -Q" not in html
    assert "-Q re/ports" in viewer.get(f"{ROOT}queues/re/ports/").content.decode()


@pytest.mark.parametrize("address", ["queues/mail/?hours=5", "api/queues/mail/?hours=x"])
def test_stretch_that_there_is_not_is_refused(busy: str, viewer: Client, address: str) -> None:
    assert viewer.get(f"{ROOT}{address}").status_code == 400


def test_queue_that_nobody_knows_is_not_found(console: str, viewer: Client) -> None:
    answer = viewer.get(f"{ROOT}api/queues/mial/")
    assert answer.status_code == 404
    assert "Is its name spelled like this?" in answer.json()["error"]["message"]


def test_points_of_a_chart_are_few_and_keep_the_most() -> None:
    until = datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC)
    minute = until.replace(second=0)
    past = [
        Sample(minute - timedelta(minutes=ago), waiting, float(waiting))
        for ago, waiting in ((200, 7), (199, 9), (61, 5), (59, 6), (0, 1))
    ]
    hours = queue_charts.depth(past, until=until, hours=6)
    assert len(hours) == 361
    by_minute = {int((minute - point.at) / timedelta(minutes=1)): point.waiting for point in hours}
    assert [by_minute[ago] for ago in (201, 200, 199, 198, 61, 60, 59, 58, 0)] == (
        [0, 7, 9, 0, 5, None, 6, 0, 1]
    )
    day = queue_charts.depth(past, until=until, hours=24)
    assert len(day) == 361
    assert max(point.waiting or 0 for point in day) == 9


def test_operator_pauses_and_resumes(busy: str, operator: Client, viewer: Client) -> None:
    form = operator.get(f"{ROOT}queues/re/ports/pause/")
    assert b"Nothing more of this queue begins" in form.content
    done = operator.post(f"{ROOT}queues/mail/pause/", {"reason": "a flood"})
    assert (done.status_code, done["Location"]) == (303, f"{ROOT}queues/mail/")
    assert b"Queue mail is paused." in operator.get(done["Location"]).content
    assert [(p.by, p.reason) for p in holdfast.pauses() if p.name == "mail"] == [
        ("operate@test", "a flood")
    ]
    said = operator.post(f"{ROOT}api/queues/mail/pause/").json()["message"]
    assert said == "Queue mail was paused before."
    assert viewer.post(f"{ROOT}api/queues/mail/resume/").status_code == 403
    assert operator.post(f"{ROOT}api/queues/mail/resume/", {"reason": "dry again"}).json() == {
        "message": "Queue mail goes on."
    }
    assert not [p for p in holdfast.pauses() if p.name == "mail"]
    lines = [(line.action, line.actor, line.detail) for line in audit.search(limit=2)]
    assert lines == [
        ("resume", "operate@test", "queue mail: dry again"),
        ("pause", "operate@test", "queue mail: a flood"),
    ]


def test_read_only_console_pauses_and_purges_nothing(busy: str, operator: Client) -> None:
    said = {**settings.HOLDFAST, "console_read_only": True}
    with override_settings(HOLDFAST=said):
        for action in ("pause", "purge"):
            assert operator.post(f"{ROOT}api/queues/mail/{action}/").status_code == 403
        assert "/pause/" not in operator.get(f"{ROOT}queues/").content.decode()
    assert "cancelled" not in states(busy)


def test_purge_shows_the_count_and_cancels_what_was_counted(busy: str, operator: Client) -> None:
    page = operator.get(f"{ROOT}queues/mail/purge/")
    assert b"3 jobs of queue mail wait now: 3 on the broker" in page.content
    form = page.context["form"].initial
    (new,) = record("mail")
    moment = dialect().now() + timedelta(minutes=1)
    Job.objects.using(busy).filter(id=new.id).update(published_at=moment)
    done = operator.post(f"{ROOT}queues/mail/purge/", {"until": form["until"], "confirm": ""})
    assert done.status_code == 303
    assert b"3 jobs of queue mail are cancelled." in operator.get(done["Location"]).content
    assert sorted(states(busy)) == ["cancelled"] * 3 + ["queued"] * 3 + ["running"]
    (line,) = audit.search(action="purge")
    assert (line.actor, line.count, line.detail) == ("operate@test", 3, "queue mail")


def test_many_are_purged_only_by_who_types_the_name(
    console: str, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "TYPED_FROM", 2)
    record("mail", 3)
    record("mail", delay_seconds=600.0)
    for typed in ("", "male"):
        refused = operator.post(f"{ROOT}api/queues/mail/purge/", {"confirm": typed})
        assert refused.status_code == 409
        assert "3 jobs of queue mail would be cancelled" in refused.json()["error"]["message"]
    assert "cancelled" not in states(console)
    most = {**(purging.purge.__kwdefaults__ or {}), "most": 2}
    monkeypatch.setattr(purging.purge, "__kwdefaults__", most)
    first = operator.post(
        f"{ROOT}api/queues/mail/purge/", {"confirm": "mail", "later": True}
    ).json()
    assert (first["cancelled"], first["left"]) == (2, 2)
    assert "2 are left" in first["message"]
    again = operator.post(
        f"{ROOT}api/queues/mail/purge/", {"until": first["until"], "later": True}
    ).json()
    assert (again["cancelled"], again["left"]) == (2, 0)


def test_many_are_purged_by_an_operation(
    busy: str, operator: Client, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "AT_ONCE", 2)
    until = operator.get(f"{ROOT}queues/mail/purge/").context["form"].initial["until"]
    (new,) = record("mail")
    moment = dialect().now() + timedelta(minutes=1)
    Job.objects.using(busy).filter(id=new.id).update(published_at=moment)
    done = operator.post(
        f"{ROOT}api/queues/mail/purge/", {"until": until, "reason": "a flood"}
    ).json()
    (row,) = operations.listed()
    assert (done["operation"], done["left"]) == (row.id, 3)
    assert (row.kind, row.filter, row.reason, row.actor) == (
        "purge",
        {"queue": "mail"},
        "a flood",
        "operate@test",
    )
    assert "cancelled" not in states(busy)
    page = viewer.get(f"{ROOT}operations/{row.id}/").content.decode()
    assert "Cancel what waits" in page
    assert "queue:mail" in page
    with current_app("redis://127.0.0.1:1/0"):
        operations.run()
    assert sorted(states(busy)) == ["cancelled"] * 3 + ["queued"] * 3 + ["running"]
    assert {line.action for line in audit.search(limit=2)} == {"operation", "operation ended"}


def test_who_operates_moves_what_waits_to_another_queue(
    busy: str, operator: Client, viewer: Client
) -> None:
    link = f"{ROOT}operations/new/?kind=queue&amp;filter=queue%3Amail"
    assert link in operator.get(f"{ROOT}queues/mail/").content.decode()
    assert link not in viewer.get(f"{ROOT}queues/mail/").content.decode()
    html = operator.get(link.replace("&amp;", "&")).content.decode()
    assert "To the queue" in html


def test_moment_that_is_none_is_refused(busy: str, operator: Client) -> None:
    for text in ("yesterday", "2026-01-31T12:00:00"):
        answer = operator.post(f"{ROOT}api/queues/mail/purge/", {"until": text})
        assert answer.status_code == 422
        assert "write it like" in answer.json()["error"]["fields"]["until"][0]


def test_cost_of_the_pages_does_not_follow_the_backlog(console: str, viewer: Client) -> None:
    def asked(address: str) -> int:
        with CaptureQueriesContext(connections[console]) as queries:
            assert viewer.get(f"{ROOT}{address}").status_code == 200
        return len(queries)

    record("mail", 10)
    sample(console, "mail", m1=1)
    few = asked("queues/"), asked("queues/mail/")
    record("mail", 990)
    record("mail", 100, delay_seconds=600.0)
    hire()
    assert (asked("queues/"), asked("queues/mail/")) == few
