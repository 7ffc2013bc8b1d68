"""Health over HTTP and in the terminal: what is well, what is needed, and nothing that nobody should see."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.urls import include, path
from health_check.views import HealthCheckView

from holdfast import Celery, conf
from holdfast.exceptions import ConfigurationError
from holdfast.health import facts
from holdfast.health.facts import Fact
from holdfast.health.looking import KEPT_SECONDS, Looker, looker
from holdfast.ledger import schedulers, transitions, workers
from holdfast.ledger.models import Job, Worker
from holdfast.testing.services import RedisServer
from tests.rows import hire, new_job
from tests.surroundings import current_app

PLUGIN = "holdfast.health.plugin.Holdfast"
urlpatterns = [
    path("health/", include("holdfast.health.urls")),
    path("ht/", HealthCheckView.as_view(checks=[PLUGIN])),
    path("strict/", HealthCheckView.as_view(checks=[(PLUGIN, {"needs": "broker"})])),
]
pytestmark = pytest.mark.urls(__name__)
READY = "/health/ready"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    looker.begin()
    yield
    looker.begin()


@pytest.fixture
def app(redis_server: RedisServer) -> Iterator[Celery]:
    with current_app(redis_server.url) as app:
        yield app


@pytest.fixture
def brokerless() -> Iterator[Celery]:
    with current_app("redis://127.0.0.1:1/0") as app:
        yield app


def also(**more: Any) -> override_settings:
    return override_settings(HOLDFAST={**settings.HOLDFAST, **more})


def asked(url: str = READY) -> tuple[int, dict[str, Any]]:
    looker.begin()
    answer = Client().get(url)
    assert answer["Cache-Control"] == "no-store"
    return answer.status_code, answer.json()


def test_process_that_answers_lives_whatever_is_away(brokerless: Celery) -> None:
    assert asked("/health/live") == (200, {"status": "ok"})


def test_ready_tells_each_part(ledger: str, app: Celery) -> None:
    status, shown = asked()
    assert (status, shown["status"]) == (200, "ok")
    assert {name: (part["well"], part["needed"]) for name, part in shown["parts"].items()} == {
        "backlog": (True, False),
        "broker": (True, False),
        "database": (True, True),
        "migrations": (True, True),
    }


def test_broker_that_is_away_degrades_and_fails_only_where_it_is_needed(
    ledger: str, brokerless: Celery
) -> None:
    status, shown = asked()
    assert (status, shown["status"]) == (200, "degraded")
    assert not shown["parts"]["broker"]["well"]
    assert asked(f"{READY}?need=broker")[0] == 503
    with also(ready_needs=["broker"]):
        status, shown = asked()
        assert (status, shown["status"]) == (503, "failing")


def test_database_that_is_away_fails_and_says_no_more_than_that(
    ledger: str, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Fact:
        raise OperationalError("connection to 10.1.2.3 failed for user shop")

    parts = {**facts.PARTS, "database": refuse}
    monkeypatch.setattr(looker, "_parts", parts)
    status, shown = asked()
    assert (status, shown["status"]) == (503, "failing")
    assert shown["parts"]["database"]["says"] == "it does not answer"
    assert shown["parts"]["migrations"]["says"] == "not known without the database"
    assert "10.1.2.3" not in str(shown)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("holdfast", "health", stdout=out)
    assert "database: FAILING: it does not answer (connection to 10.1.2.3" in out.getvalue()


def test_missing_migration_fails_until_it_is_applied(ledger: str, app: Celery) -> None:
    (last,) = MigrationLoader(None).graph.leaf_nodes("holdfast")
    recorder = MigrationRecorder(connections[ledger])
    recorder.record_unapplied(*last)
    try:
        status, shown = asked()
        assert status == 503
        assert shown["parts"]["migrations"]["says"] == "1 are not applied: manage.py migrate"
    finally:
        recorder.record_applied(*last)
    assert asked()[0] == 200


@contextmanager
def _emptied(alias: str) -> Iterator[None]:
    """Let the ledger be as one that another has been put in the place of: it answers, and has no tables."""
    moved = [(Job._meta.db_table, "away_job"), ("django_migrations", "away_migrations")]

    def rename(pairs: list[tuple[str, str]]) -> None:
        with connections[alias].cursor() as cursor:
            for here, there in pairs:
                cursor.execute(f"ALTER TABLE {here} RENAME TO {there}")

    rename(moved)
    try:
        yield
    finally:
        rename([(there, here) for here, there in moved])


def test_database_that_was_swapped_for_an_empty_one_is_not_ready_at_the_next_look(
    ledger: str, app: Celery
) -> None:
    now = [0.0]
    source = Looker(monotonic=lambda: now[0])
    assert source.facts()["migrations"].well
    now[0] += KEPT_SECONDS
    with _emptied(ledger):
        found = source.facts()
        assert (found["database"].well, found["backlog"].well) == (True, False)
        assert "manage.py migrate" in found["migrations"].says
    now[0] += KEPT_SECONDS
    assert source.facts()["migrations"].well


def test_backlog_that_does_not_answer_in_time_asks_no_more_of_the_database() -> None:
    now, looks = [0.0], []

    def migrated() -> Fact:
        looks.append(1)
        return Fact(part="migrations", well=True, says="all are applied")

    def slow() -> Fact:
        raise OperationalError("consuming input failed: server closed the connection unexpectedly")

    source = Looker({"migrations": migrated, "backlog": slow}, monotonic=lambda: now[0])
    for _ in range(3):
        assert source.facts()["migrations"].well
        now[0] += KEPT_SECONDS
    assert len(looks) == 1


@pytest.mark.parametrize("state", ["queued", "unpublished"])
def test_old_backlog_degrades_and_fails_only_where_it_is_needed(
    ledger: str, app: Celery, state: str
) -> None:
    (ticket,) = transitions.record([new_job()])
    rows, old = Job.objects.using(ledger).filter(id=ticket.id), Now() - timedelta(seconds=400)
    if state == "queued":
        rows.update(published_at=old)
    else:
        rows.update(state=0, due_at=old, published_at=None)
    status, shown = asked()
    assert (status, shown["status"]) == (200, "degraded")
    assert "400 s" in shown["parts"]["backlog"]["says"]
    assert asked(f"{READY}?need=backlog")[0] == 503
    with also(backlog_seconds=500):
        assert asked(f"{READY}?need=backlog")[0] == 200


def test_part_that_does_not_exist_is_refused(app: Celery) -> None:
    status, shown = asked(f"{READY}?need=brokr")
    assert status == 400
    assert "brokr" in shown["error"]
    with pytest.raises(ConfigurationError, match="ready_needs"):
        conf.read({"ready_needs": ["brokr"]})


def test_all_who_ask_within_a_second_share_a_look() -> None:
    looks, now = [], [0.0]

    def look() -> Fact:
        looks.append(1)
        return Fact(part="database", well=True, says="it answers")

    source = Looker({"database": look}, monotonic=lambda: now[0])
    for _ in range(5):
        assert source.facts()["database"].well
    assert len(looks) == 1
    now[0] += KEPT_SECONDS
    source.facts()
    assert len(looks) == 2


def test_part_that_hangs_is_told_in_time_and_asked_by_one_thread_alone() -> None:
    go_on, looks = threading.Event(), []

    def hang() -> Fact:
        looks.append(1)
        go_on.wait(60)
        return Fact(part="database", well=True, says="it answers")

    source = Looker({"database": hang}, patience=0.05)
    for _ in range(3):
        found = source.facts()["database"]
        assert (found.well, found.says) == (False, "it does not answer")
    assert len(looks) == 1
    go_on.set()
    source._done.wait(60)
    assert source._found["database"].well


def test_part_that_raises_takes_no_other_along() -> None:
    def broken() -> Fact:
        raise RuntimeError("a bug")

    well = Fact(part="broker", well=True, says="fine")
    found = Looker({"database": broken, "broker": lambda: well}).facts()
    assert (found["database"].well, found["broker"].well) == (False, True)
    assert found["database"].detail == "a bug"


# -- in the terminal ----------------------------------------------------------------------------------


def told(*words: str, fails: bool = False) -> str:
    looker.begin()
    out = StringIO()
    if not fails:
        call_command("holdfast", "health", *words, stdout=out)
        return out.getvalue()
    with pytest.raises(SystemExit) as left:
        call_command("holdfast", "health", *words, stdout=out)
    assert left.value.code == 1
    return out.getvalue()


def test_command_tells_the_parts_and_its_status(ledger: str, brokerless: Celery) -> None:
    assert "broker: not well: it takes no messages" in told()
    assert "broker: FAILING" in told("--need", "broker", fails=True)
    assert '"status": "degraded"' in told("--json")


def test_command_knows_a_worker_by_its_lease(ledger: str, app: Celery) -> None:
    assert "has a lease" in told("--worker", fails=True)
    worker = hire()
    assert told("--worker", "w") == "w: serving\n"
    assert "has a lease" in told("--worker", "other", fails=True)
    assert "has a lease" in told("--worker", fails=True)
    Worker.objects.using(ledger).filter(id=worker).update(host=socket.gethostname())
    assert told("--worker") == "w: serving\n"
    workers.note_queues(worker, [], slots=1)
    assert told("--worker", "w", fails=True) == "w: stopping\n"


def test_command_knows_a_scheduler_of_this_host(ledger: str, app: Celery) -> None:
    schedulers.tell(UUID(int=1), host="elsewhere", pid=1, leads=True)
    assert "has told of itself" in told("--scheduler", fails=True)
    schedulers.tell(UUID(int=2), host=socket.gethostname(), pid=7, leads=False)
    assert "process 7: stands by" in told("--scheduler")


def test_health_check_has_it_among_its_checks(ledger: str, brokerless: Celery) -> None:
    answer = Client().get("/ht/?format=json")
    assert (answer.status_code, list(answer.json().values())) == (200, ["OK"])
    looker.begin()
    answer = Client().get("/strict/?format=json")
    assert answer.status_code == 500
    assert "broker: it takes no messages" in answer.content.decode()
