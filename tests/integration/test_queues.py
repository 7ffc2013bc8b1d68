"""What waits in which queue and who serves it, at bounded cost; and which queue a call is sent to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

import holdfast
from holdfast import Celery, events
from holdfast.conf import get_settings
from holdfast.ledger import transitions, workers
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.reads import queue_reads
from holdfast.testing.services import RedisServer
from holdfast.upkeep.queue_watch import QueueWatch
from tests.rows import new_job
from tests.surroundings import current_app


def hire(*queues: str, name: str = "w") -> UUID:
    worker = uuid4()
    workers.register(
        workers.Incarnation(
            id=worker, name=name, host="h", pid=1, pool="p", concurrency=1, queues=queues
        )
    )
    return worker


def record(queue: str, *, count: int = 1, **more: Any) -> list[Any]:
    return transitions.record([new_job(queue=queue, **more) for _ in range(count)])


@pytest.fixture
def busy(ledger: str) -> str:
    """Three queues: one served, one that nobody serves, one whose worker is gone."""
    served = hire("served", name="w1")
    hire("served", "idle", name="w2")
    gone = hire("left")
    Worker.objects.using(ledger).filter(id=gone).update(lease_until=Now() - timedelta(seconds=1))
    record("served", count=3)
    record("served", count=2, priority=9)
    (ticket, *_) = record("served")
    transitions.claim([(ticket.id, ticket.token, False)], worker=served)
    record("orphan", count=4)
    record("left")
    record("later", delay_seconds=3600)
    Job.objects.using(ledger).filter(queue="orphan").update(
        published_at=Now() - timedelta(seconds=90)
    )
    return ledger


def test_each_queue_is_shown_with_what_waits_and_who_serves_it(busy: str) -> None:
    found = {queue.name: queue for queue in holdfast.queues()}
    assert list(found) == ["idle", "later", "left", "orphan", "served"]
    served = found["served"]
    assert served.waiting == {9: 2, 0: 3}
    assert list(served.waiting) == [9, 0]
    assert (served.total, served.more, served.running) == (5, False, 1)
    assert served.workers == ["w1", "w2"]
    assert not served.unserved
    assert found["orphan"].oldest_seconds == pytest.approx(90, abs=20)
    assert found["orphan"].unserved
    assert found["left"].unserved, "its worker's lease is over"
    assert (found["later"].held, found["later"].unserved) == (1, False)
    assert holdfast.unserved_queues() == ["left", "orphan"]


def test_cost_of_a_look_does_not_follow_the_backlog(
    busy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_reads, "MOST", 3)
    record("orphan", count=200)
    record("later", count=5, delay_seconds=60)
    with CaptureQueriesContext(connections[busy]) as asked:
        (orphan,) = (queue for queue in holdfast.queues() if queue.name == "orphan")
        before = len(asked)
    assert (orphan.waiting, orphan.more) == ({0: 3}, True)
    counts = [query["sql"] for query in asked if "LIMIT 4" in query["sql"]]
    assert len(counts) == 4, "each list is counted no further than that"
    record("orphan", count=200)
    with CaptureQueriesContext(connections[busy]) as asked:
        holdfast.queues()
    assert len(asked) == before


def test_command_shows_queues_and_names_those_without_a_worker(busy: str) -> None:
    out, err = StringIO(), StringIO()
    call_command("holdfast", "queues", stdout=out, stderr=err)
    lines = {line.split()[0]: line for line in out.getvalue().splitlines()}
    assert re.search(r"served +5 +9:2 0:3 .* w1, w2", lines["served"])
    assert "NONE" in lines["orphan"]
    assert "No live worker serves the queue 'orphan'" in err.getvalue()

    out = StringIO()
    call_command("holdfast", "queues", "--json", stdout=out, stderr=StringIO())
    rows = {row["name"]: row for row in json.loads(out.getvalue())}
    assert rows["served"]["waiting"] == {"9": 2, "0": 3}
    assert [name for name, row in rows.items() if row["unserved"]] == ["left", "orphan"]

    with pytest.raises(CommandError, match="2 queues are not served: left, orphan"):
        call_command("holdfast", "queues", "--check", stdout=StringIO(), stderr=StringIO())


def test_job_that_waits_for_a_worker_that_is_not_there_says_so(busy: str) -> None:
    for queue, said in (("orphan", True), ("served", False)):
        job = Job.objects.using(busy).filter(queue=queue, started_at=None).first()
        assert job is not None
        err = StringIO()
        call_command("holdfast", "jobs", "show", job.id, stdout=StringIO(), stderr=err)
        assert ("No live worker serves the queue" in err.getvalue()) == said


def test_queue_without_a_worker_is_told_once_and_again_when_it_is_served(
    ledger: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def unserved(queue: str, **_: Any) -> None:
        told.append(f"unserved {queue}")

    def served(queue: str, **_: Any) -> None:
        told.append(f"served {queue}")

    events.queue_unserved.connect(unserved)
    events.queue_served.connect(served)
    clock = [0.0]
    lease = get_settings().lease_seconds
    watch = QueueWatch(monotonic=lambda: clock[0])
    record("orphan")
    for seconds in (0, lease * 0.6, lease * 0.9):
        clock[0] = seconds
        watch.one_pass()
    assert told == [], "a worker may just be starting anew"
    for times in (1.2, 1.8, 3):
        clock[0] = lease * times
        watch.one_pass()
    assert told == ["unserved orphan"]
    assert caplog.text.count("Start one with -Q orphan") == 1
    hire("orphan")
    clock[0] = lease * 4
    watch.one_pass()
    assert told == ["unserved orphan", "served orphan"]
    with CaptureQueriesContext(connections[ledger]) as asked:
        watch.one_pass()
    assert not asked, "it does not look at each sweep"


# -- where a call goes --------------------------------------------------------------------------------


def by_function(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> Any:
    return {"queue": "by-function", "priority": 4} if name == "shop.routed" else None


@pytest.fixture
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    with current_app(f"{redis_server.url.rpartition('/')[0]}/11") as app:
        app.outbox.publisher.client().flushdb()
        app.conf.task_routes = (
            by_function,
            {
                "shop.charge": {"queue": "by-name", "priority": 7},
                "reports.*": {"queue": "by-glob"},
                re.compile(r"(video|image)\.\w+"): {"queue": "by-regex"},
            },
        )
        yield app


@pytest.mark.parametrize(
    ("name", "options", "queue", "priority"),
    [
        ("shop.charge", {}, "by-name", 7),
        ("shop.charge", {"priority": 2}, "by-name", 2),
        ("reports.daily", {}, "by-glob", 0),
        ("image.scale", {}, "by-regex", 0),
        ("shop.routed", {}, "by-function", 4),
        ("shop.charge", {"queue": "by-call"}, "by-call", 7),
        ("shop.other", {}, "celery", 0),
        ("shop.other", {"priority": 12}, "celery", 9),
    ],
)
def test_route_of_celery_decides_the_queue_of_the_row(
    app: Celery, name: str, options: dict[str, Any], queue: str, priority: int
) -> None:
    sent = app.send_task(name, **options)
    row = Job.objects.using(get_settings().database).get(id=sent.id)
    assert (row.queue, row.priority) == (queue, priority)
    keys = {key.decode() for key in app.outbox.publisher.client().keys("*") if b":" not in key}
    assert any(key.startswith(queue) for key in keys), keys
