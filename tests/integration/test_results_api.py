"""Celery's result API over the ledger: states, progress, waiting, forgetting, groups, retention, other backends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from celery import chord, group
from celery.exceptions import ChordError
from celery.exceptions import TimeoutError as ResultTimeout
from celery.result import AsyncResult, GroupResult, ResultSet
from django.db import connections

from holdfast.exceptions import JobNotFound, ResultPruned
from holdfast.ledger.reads import queries
from holdfast.ledger.states import DEAD_LETTERS, FINAL
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import ROOT


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        site.worker()
        yield site


def test_states_of_a_job_from_sent_to_done(site: Site, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = site.task("wait_for_file").delay(str(gate), "states")
    eventually(lambda: sent.state == "STARTED")
    assert not sent.ready()
    gate.touch()

    assert sent.get(timeout=60) == "states"
    assert sent.ready()
    assert sent.successful()
    assert sent.result == sent.info == "states"
    assert sent.traceback is None
    assert sent.date_done is not None
    held = site.task("effect").apply_async(("held",), countdown=60)
    assert held.state == "PENDING"
    held.revoke()


def test_progress_is_seen_while_the_body_runs(site: Site, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = site.app.tasks["tests.progress"].delay(str(gate))

    eventually(lambda: sent.state == "PROGRESS")
    assert sent.info == {"done": 3, "of": 10}
    gate.touch()
    assert sent.get(timeout=60) == "complete"
    assert sent.info == "complete"


def test_progress_of_an_attempt_that_lost_its_job_is_not_written(site: Site) -> None:
    sent = site.task("effect").apply_async(("late",), countdown=60)
    request = type("Request", (), {"id": sent.id, "delivery_info": {}})()
    request.holdfast = {"token": 1, "worker": str(UUID(int=1)), "attempt": 1}

    site.app.backend.store_result(sent.id, {"done": 1}, "PROGRESS", request=request)

    assert sent.state == "PENDING"
    assert sent.info is None
    sent.revoke()


def test_retry_is_shown_with_the_error_it_comes_from(site: Site) -> None:
    sent = site.task("retry_in").delay(30)

    eventually(lambda: sent.state == "RETRY")
    assert isinstance(sent.result, ValueError)
    sent.revoke()
    assert sent.state == "REVOKED"


def test_error_comes_back_with_type_message_and_traceback(site: Site) -> None:
    sent = site.task("leave").delay("raise", "told")

    with pytest.raises(ValueError, match="told"):
        sent.get(timeout=60)
    assert sent.failed()
    assert "in _raise" in sent.traceback
    assert isinstance(sent.get(propagate=False), ValueError)


def test_waiting_has_an_end(site: Site) -> None:
    sent = site.task("effect").apply_async(("later",), countdown=60)

    began = time.monotonic()
    with pytest.raises(ResultTimeout):
        sent.get(timeout=0.3)
    assert 0.25 <= time.monotonic() - began <= 30
    sent.revoke()


def test_waiter_hears_of_a_short_job_at_once(site: Site) -> None:
    site.task("add").delay(0, 0).get(timeout=60)
    took = []
    for i in range(10):
        began = time.monotonic()
        assert site.task("add").delay(i, i).get(timeout=60) == 2 * i
        took.append(time.monotonic() - began)

    assert sorted(took)[5] < 0.3


def test_forgotten_job_is_gone(site: Site) -> None:
    sent = site.task("add").delay(1, 2)
    sent.get(timeout=60)
    sent.forget()

    assert sent.id not in site.states()
    assert site.result(sent.id).state == "PENDING"


@pytest.mark.short_on("postgres")
def test_forgetting_a_job_that_waits_does_not_lose_it(site: Site) -> None:
    sent = site.task("effect").apply_async(("unforgotten",), countdown=2)
    sent.forget()

    assert sent.get(timeout=60) == "unforgotten"


def test_saved_group_comes_back_and_can_be_deleted(site: Site) -> None:
    sent = group([site.task("add").s(i, i) for i in range(4)], app=site.app).delay()
    sent.save()

    restored = GroupResult.restore(sent.id, app=site.app)
    assert restored is not None
    assert restored.get(timeout=60) == [0, 2, 4, 6]
    restored.delete()
    assert GroupResult.restore(sent.id, app=site.app) is None


def test_result_set_joins_jobs_of_any_kind(site: Site) -> None:
    jobs = [site.task("add").delay(i, 1) for i in range(5)]
    results = ResultSet(jobs, app=site.app)

    assert results.join(timeout=10) == [1, 2, 3, 4, 5]
    assert dict(results.iter_native())[jobs[0].id]["result"] == 1
    assert results.completed_count() == 5
    failing = ResultSet([*jobs, site.task("leave").delay("raise", "joined")], app=site.app)
    with pytest.raises(ValueError, match="joined"):
        failing.join(timeout=10)


def test_callback_of_get_is_called_for_each_result(site: Site) -> None:
    jobs = ResultSet([site.task("add").delay(i, 1) for i in range(3)], app=site.app)
    told: dict[str, int] = {}

    jobs.get(timeout=60, callback=told.__setitem__)

    assert sorted(told.values()) == [1, 2, 3]


def test_collect_walks_the_children(site: Site) -> None:
    sent = site.task("send_then").delay("return", "walked")
    sent.get(timeout=60)

    values = [value for _, value in site.result(sent.id).collect(timeout=10)]
    assert values == ["walked", "child of walked"]


def test_pruned_result_says_so(site: Site) -> None:
    kept = site.app.backend.expires
    old = datetime.now(UTC) - timedelta(seconds=kept + 60)
    value = int(old.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62
    pruned = site.result(str(UUID(int=value)))

    with pytest.raises(ResultPruned, match="CELERY_RESULT_EXPIRES"):
        pruned.get(timeout=2)
    assert issubclass(ResultPruned, JobNotFound)


def test_finished_jobs_are_pruned_after_their_retention(site: Site) -> None:
    done = site.task("add").delay(1, 1)
    failed = site.task("leave").delay("raise", "kept longer")
    done.get(timeout=60)
    failed.get(timeout=60, propagate=False)
    with connections[site.alias].cursor() as cursor:
        cursor.execute(
            "UPDATE holdfast_job SET finished_at = %s WHERE id IN (%s, %s)",
            [datetime.now(UTC) - timedelta(days=2), done.id, failed.id],
        )

    states = FINAL - DEAD_LETTERS
    queries.prune_finished(states=states, before=timedelta(days=1), limit=100)

    assert done.id not in site.states()
    assert site.states()[failed.id] == "failed"


def test_unknown_id_is_pending_as_in_celery(site: Site) -> None:
    assert site.result("never sent").state == "PENDING"
    with pytest.raises(ResultTimeout):
        site.result("never sent").get(timeout=0.2)


def test_state_can_be_stored_for_an_id_of_ones_own(site: Site) -> None:
    site.app.backend.store_result("an import", {"rows": 3}, "PROGRESS")
    assert site.result("an import").state == "PROGRESS"
    assert site.result("an import").info == {"rows": 3}
    site.app.backend.mark_as_done("an import", "all of it")
    assert site.result("an import").get(timeout=1) == "all of it"


def test_chord_counts_members_that_are_not_durable(site: Site) -> None:
    header = [site.task("leave_plain").si("return", "plain"), site.task("add").si(1, 1)]
    sent = chord(header, site.task("collect").s(), app=site.app).delay()
    assert sent.get(timeout=60) == ["plain", 2]

    header[0] = site.task("leave_plain").si("raise", "plain")
    failing = chord(header, site.task("collect").s(), app=site.app).delay()
    with pytest.raises(ChordError, match="plain"):
        failing.get(timeout=60)


class TestOtherBackends:
    """A result backend that the project had before keeps serving what it has and what is not durable."""

    def test_redis_backend_serves_plain_jobs_and_old_results(
        self, request: pytest.FixtureRequest
    ) -> None:
        with new_site("sqlite", request) as outer:
            redis_url = outer.broker_url
        backend = {"CELERY_RESULT_BACKEND": redis_url}
        with new_site("sqlite", request, broker_url=redis_url, environment=backend) as site:
            site.worker()
            old = site.python(
                "from celery import Celery\n"
                "stock = Celery(broker=os.environ['TEST_BROKER_URL'])\n"
                "stock.backend.store_result('an old id', 'an old result', 'SUCCESS')\n"
                "print(type(stock.backend).__name__)"
            )
            assert old.strip() == "RedisBackend"
            told = site.python(
                "plain = tasks.leave_plain.delay('return', 'plain')\n"
                "durable = tasks.add.delay(2, 3)\n"
                "print(plain.get(timeout=60), durable.get(timeout=60))\n"
                "from celery import chord\n"
                "mixed = [tasks.leave_plain.si('return', 'p'), tasks.add.si(1, 1)]\n"
                "print(chord(mixed, tasks.collect.s()).delay().get(timeout=60))\n"
                "print(app.AsyncResult('an old id').get(timeout=2))\n"
                "print(app.backend.as_uri(), type(app.backend.configured).__name__)\n"
            )
            assert told.splitlines() == [
                "plain 5",
                "['p', 2]",
                "an old result",
                "holdfast:// RedisBackend",
            ]
            assert site.redis().exists("celery-task-meta-an old id")
            assert site.counts() == {"succeeded": 3}

    def test_django_db_backend_serves_plain_jobs(self, request: pytest.FixtureRequest) -> None:
        environment = {
            "CELERY_RESULT_BACKEND": "django-db",
            "TEST_EXTRA_APPS": "django_celery_results",
        }
        with new_site("sqlite", request, environment=environment) as site:
            site.worker()
            told = site.python(
                "from django_celery_results.models import TaskResult\n"
                "plain = tasks.leave_plain.delay('return', 'plain')\n"
                "durable = tasks.add.delay(2, 3)\n"
                "print(plain.get(timeout=60), durable.get(timeout=60))\n"
                "print(list(TaskResult.objects.values_list('status', flat=True)))\n"
            )
            assert told.splitlines() == ["plain 5", "['SUCCESS']"]
            assert list(site.counts().values()) == [1]


def test_package_is_importable_before_django_is_set_up() -> None:
    code = "import holdfast; from holdfast import Celery; print(Celery.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "Celery", done.stderr


def test_result_handle_is_made_by_id_alone(site: Site) -> None:
    sent = site.task("add").delay(20, 22)

    assert AsyncResult(sent.id).get(timeout=60) == 42
