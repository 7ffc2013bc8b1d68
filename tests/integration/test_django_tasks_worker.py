"""Django's tasks on a real worker: every documented way to run and to end, with what the result shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from celery.exceptions import TaskRevokedError
from django.db import transaction
from django.utils import timezone

import holdfast
from holdfast.dispatch.django_api import TaskResultDoesNotExist, TaskResultStatus
from holdfast.ledger.models import Job
from tests.django_tasks import KINDS, QUEUES, finished
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import django_jobs
from tests.project.models import AtomicEffect

pytestmark = [pytest.mark.slow, pytest.mark.short_on("sqlite-threads", "postgres-prefork")]


@pytest.fixture(scope="module", params=[(k, p) for k in KINDS for p in ("prefork", "threads")])
def module_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    kind, pool = request.param
    with new_site(kind, request) as site:
        site.worker("-I", "tests.project.django_signals", pool=pool, queues=QUEUES)
        yield site


@pytest.fixture
def site(module_site: Site) -> Site:
    """A site whose worker runs; it is empty at the start of the test."""
    module_site.wait_all_final()
    module_site.empty()
    return module_site


# -- how it runs and ends -----------------------------------------------------------------------------


def test_function_that_returns_is_successful_with_every_attribute(site: Site) -> None:
    sent = django_jobs.add.enqueue(1, y=2)
    result = finished(site, sent)

    row = Job.objects.using(site.alias).get(id=sent.id)
    assert result.status == TaskResultStatus.SUCCESSFUL
    assert result.return_value == 3
    assert (result.args, result.kwargs, result.backend) == ([1], {"y": 2}, "default")
    assert result.task == django_jobs.add
    assert result.errors == []
    assert result.worker_ids == [str(row.worker)]
    assert result.attempts == 1
    assert (result.enqueued_at, result.finished_at) == (row.recorded_at, row.finished_at)
    assert result.started_at == result.last_attempted_at == row.started_at
    assert result.enqueued_at <= result.started_at <= result.finished_at

    sent.refresh()
    assert sent == result
    assert sent.return_value == 3


def test_coroutine_function_runs(site: Site) -> None:
    assert finished(site, django_jobs.add_async.enqueue(1, 2)).return_value == 3


def test_coroutine_function_uses_the_database(site: Site) -> None:
    assert finished(site, django_jobs.ask_database.enqueue("asked")).return_value == 1


def test_tasks_are_enqueued_from_an_event_loop(site: Site) -> None:
    async def enqueue() -> tuple[Any, Any]:
        return await django_jobs.add.aenqueue(1, 2), django_jobs.add.enqueue(3, 4)

    assert [finished(site, sent).return_value for sent in async_to_sync(enqueue)()] == [3, 7]


def test_context_tells_of_the_attempt_that_runs(site: Site) -> None:
    sent = django_jobs.with_context.enqueue("n")
    result = finished(site, sent)
    assert result.return_value == {
        "name": "n",
        "attempt": 1,
        "id": sent.id,
        "status": "RUNNING",
        "workers": result.worker_ids,
        "args": ["n"],
    }


def test_function_that_raises_has_failed_with_class_and_traceback(site: Site) -> None:
    result = finished(site, django_jobs.fail.enqueue("said"))
    assert result.status == TaskResultStatus.FAILED
    (error,) = result.errors
    assert error.exception_class_path == "builtins.ValueError"
    assert error.exception_class is ValueError
    assert "raise ValueError(said)\nValueError: said" in error.traceback
    assert result.attempts == 1
    assert result.finished_at is not None
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value


def test_error_that_does_not_survive_pickling_keeps_its_class(site: Site) -> None:
    (error,) = finished(site, django_jobs.fail_awkwardly.enqueue()).errors
    assert error.exception_class_path == "tests.project.django_jobs.AwkwardError"
    assert error.exception_class is django_jobs.AwkwardError


def test_result_without_a_form_in_json_is_a_failure(site: Site) -> None:
    result = finished(site, django_jobs.return_unwritable.enqueue())
    assert result.status == TaskResultStatus.FAILED
    assert result.errors[0].exception_class is TypeError


def test_function_that_is_gone_from_the_worker_has_failed(site: Site) -> None:
    name = "tests.project.django_jobs:not_deployed"
    call = {"path": name, "args": [], "kwargs": {}, "backend": "default", "queue_name": "default"}
    sent = site.app.tasks["holdfast.django_task"].apply_async(kwargs=call)
    site.wait_all_final()
    assert site.result(sent.id).state == "FAILURE"
    assert "not_deployed" in str(site.result(sent.id).result)


def test_what_did_not_come_from_the_ledger_is_not_run(site: Site) -> None:
    name = "tests.project.django_jobs:add"
    call = {"path": name, "args": [1], "kwargs": {}, "backend": "default", "queue_name": "default"}
    site.app.tasks["holdfast.django_task"].apply_async(kwargs=call, durable=False)
    log = site.workers[0]
    log.await_line("did not come from the ledger")
    assert site.effects() == []


def test_task_sends_tasks_of_both_kinds(site: Site) -> None:
    django_id, celery_id = finished(site, django_jobs.send_others.enqueue(1)).return_value
    assert site.result(celery_id).get(timeout=60) == 4
    site.wait_all_final()
    assert django_jobs.add.get_result(django_id).return_value == 3
    assert {row.parent_id for row in site.jobs(id__in=[django_id, celery_id]).values()} != {None}


def test_transaction_that_rolls_back_runs_nothing(site: Site) -> None:
    with transaction.atomic(using=site.alias):
        gone = django_jobs.add.enqueue(7, 0)
        transaction.set_rollback(True, using=site.alias)
    with transaction.atomic(using=site.alias):
        kept = django_jobs.add.enqueue(8, 0)
    assert finished(site, kept).return_value == 8
    assert "add 8 0" in site.effects()
    assert "add 7 0" not in site.effects()
    with pytest.raises(TaskResultDoesNotExist):
        gone.refresh()


def test_task_with_run_after_runs_at_its_time(site: Site) -> None:
    moment = timezone.now() + timedelta(seconds=1.5)
    sent = django_jobs.add.using(run_after=moment).enqueue(1, 2)
    assert sent.task.run_after == moment
    result = finished(site, sent)
    assert moment <= result.started_at <= moment + timedelta(seconds=5)
    assert result.task.run_after == moment


def test_task_runs_on_its_queue(site: Site) -> None:
    result = finished(site, django_jobs.report.enqueue("r"))
    assert result.task.queue_name == "reports"
    assert result.task.priority == 50
    assert result.return_value == "r"


def test_signals_tell_of_start_and_end_once(site: Site) -> None:
    well, badly = django_jobs.add.enqueue(1, 2), django_jobs.fail.enqueue("said")
    finished(site, well)
    finished(site, badly)
    expected = {
        f"{what} HoldfastBackend {sent.id} {status} 1"
        for sent, end in ((well, "SUCCESSFUL"), (badly, "FAILED"))
        for what, status in (("started", "RUNNING"), ("finished", end))
    }

    def told() -> bool:
        lines = [line for line in site.effects() if " HoldfastBackend " in line]
        assert sorted(lines) == sorted(expected)
        return True

    eventually(told, told="each signal once")


# -- OPTIONS ------------------------------------------------------------------------------------------


def test_function_that_raises_is_tried_again(site: Site) -> None:
    sent = django_jobs.fail_twice.enqueue("again")
    result = finished(site, sent)
    assert result.status == TaskResultStatus.SUCCESSFUL
    assert result.attempts == 3
    assert site.effects().count("start again") == 3
    assert [error.exception_class for error in result.errors] == [django_jobs.AwkwardError] * 2
    assert all("raise AwkwardError" in error.traceback for error in result.errors)
    assert result.started_at < result.last_attempted_at


def test_function_that_always_raises_has_failed_after_its_retries(site: Site) -> None:
    result = finished(site, django_jobs.fail_always.enqueue("never"))
    assert result.status == TaskResultStatus.FAILED
    assert result.attempts == 3
    assert site.effects().count("start never") == 3
    assert [error.exception_class for error in result.errors] == [LookupError] * 3


def test_signals_of_a_task_that_is_tried_again(site: Site) -> None:
    sent = django_jobs.fail_twice.enqueue("told")
    finished(site, sent)

    def told() -> bool:
        lines = [line.split() for line in site.effects() if " HoldfastBackend " in line]
        assert [(what, int(n)) for what, _, _, _, n in lines] == [
            ("started", 1),
            ("started", 2),
            ("started", 3),
            ("finished", 3),
        ]
        return True

    eventually(told, told="three starts, one end")


def test_atomic_body_that_raises_leaves_nothing(site: Site) -> None:
    rows = AtomicEffect.objects.using(site.alias)
    rows.all().delete()
    assert finished(site, django_jobs.write.enqueue("kept")).return_value == "kept"
    failed = finished(site, django_jobs.write.enqueue("undone", fails=True))
    assert failed.status == TaskResultStatus.FAILED
    assert list(rows.values_list("job", flat=True)) == ["kept"]


# -- from outside -------------------------------------------------------------------------------------


def test_cancelled_task_has_failed_and_a_replay_runs_it(site: Site) -> None:
    sent = django_jobs.add.using(run_after=timezone.now() + timedelta(hours=1)).enqueue(1, 2)
    holdfast.cancel(sent.id)
    cancelled = finished(site, sent)
    assert cancelled.status == TaskResultStatus.FAILED
    assert [error.exception_class for error in cancelled.errors] == [TaskRevokedError]
    assert cancelled.attempts == 0

    holdfast.replay(sent.id)
    replayed = finished(site, sent)
    assert (replayed.return_value, replayed.errors, replayed.attempts) == (3, [], 1)


@pytest.mark.parametrize("job", [django_jobs.slow, django_jobs.slow_failure], ids=["well", "badly"])
def test_attempt_of_a_cancelled_task_tells_nothing_of_its_end(site: Site, job: Any) -> None:
    sent = job.enqueue("cancelled", 0.5)
    eventually(lambda: "start cancelled" in site.effects())
    holdfast.cancel(sent.id)
    cancelled = finished(site, sent)
    assert [error.exception_class for error in cancelled.errors] == [TaskRevokedError]
    assert cancelled.attempts == 1

    # A thread goes on to its end, which is refused; the process of a pool is ended.
    lease = site.workers[0].lease()
    if lease and lease.pool == "thread":
        eventually(lambda: "end cancelled" in site.effects())
    last = django_jobs.add.enqueue(1, 2)
    finished(site, last)
    told = [line for line in site.effects() if line.startswith("finished") and sent.id in line]
    assert told == []
    assert job.get_result(sent.id).status == TaskResultStatus.FAILED


def test_replayed_failure_keeps_its_error(site: Site) -> None:
    sent = django_jobs.fail_always.enqueue("replayed")
    finished(site, sent)
    holdfast.replay(sent.id)

    def ended_twice() -> Any:
        asked = django_jobs.fail_always.get_result(sent.id)
        return asked if asked.is_finished and asked.attempts > 3 else None

    result = eventually(ended_twice)
    assert {error.exception_class for error in result.errors} == {LookupError}
    assert len(result.errors) == result.attempts
