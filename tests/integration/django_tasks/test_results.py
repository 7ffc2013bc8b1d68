"""Django's tasks API in the process that asks: tasks found by name, results, checks, and eager mode."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import checks
from django.test import override_settings
from django.utils.module_loading import import_string

import holdfast
from holdfast import Celery
from holdfast.dispatch import django_checks
from holdfast.dispatch.django_api import (
    InvalidTask,
    TaskResultDoesNotExist,
    TaskResultMismatch,
    TaskResultStatus,
    task_backends,
    task_finished,
    task_started,
)
from holdfast.dispatch.django_calls import find_task
from holdfast.exceptions import ConfigurationError
from holdfast.ledger import interventions
from holdfast.ledger.models import Job
from holdfast.tasks import HoldfastBackend
from tests.integration.django_tasks.enqueued import backend_of, job_of
from tests.project import django_jobs


def test_task_under_another_name_and_in_a_class_is_found(ledger: str, app: Celery) -> None:
    assert find_task("tests.project.django_jobs:Kept.double") is django_jobs.double
    assert django_jobs.double.enqueue(2).task.func is django_jobs.Kept.double


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("tests.project.django_jobs:_plain", "not a task"),
        ("os:system", "not a task"),
        ("tests.project.django_jobs:none_such", "cannot be imported"),
        ("tests.project.none_such:add", "cannot be imported"),
        ("", "cannot be imported"),
    ],
)
def test_only_tasks_are_found(app: Celery, path: str, why: str) -> None:
    with pytest.raises(InvalidTask, match=why):
        find_task(path)


def test_result_is_asked_by_task_and_by_backend(ledger: str, app: Celery) -> None:
    sent = django_jobs.add.using(priority=7).enqueue(1, 2)
    row = job_of(ledger, sent)
    for asked in (
        django_jobs.add.get_result(sent.id),
        task_backends["default"].get_result(sent.id),
        async_to_sync(django_jobs.add.aget_result)(sent.id),
        async_to_sync(task_backends["default"].aget_result)(sent.id),
    ):
        assert asked.id == sent.id
        assert asked.task == django_jobs.add.using(priority=7)
        assert (asked.args, asked.kwargs, asked.backend) == ([1, 2], {}, "default")
        assert asked.status == TaskResultStatus.READY
        assert asked.enqueued_at == row.recorded_at
        assert (asked.started_at, asked.finished_at, asked.last_attempted_at) == (None, None, None)
        assert (asked.errors, asked.worker_ids, asked.attempts) == ([], [], 0)


def test_result_of_another_task_is_a_mismatch(ledger: str, app: Celery) -> None:
    sent = django_jobs.add.enqueue(1)
    with pytest.raises(TaskResultMismatch):
        django_jobs.report.get_result(sent.id)
    with pytest.raises(TaskResultMismatch):
        async_to_sync(django_jobs.report.aget_result)(sent.id)


def test_result_of_a_function_that_is_gone_is_a_mismatch(
    ledger: str, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = django_jobs.add.enqueue(1)
    monkeypatch.delattr(django_jobs, "add")
    with pytest.raises(TaskResultMismatch, match="cannot be imported"):
        task_backends["default"].get_result(sent.id)


def test_unknown_id_and_job_of_a_celery_task_do_not_exist(ledger: str, app: Celery) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        django_jobs.add.get_result("unknown")
    with pytest.raises(TaskResultDoesNotExist):
        async_to_sync(django_jobs.add.aget_result)("unknown")
    celery_job = app.tasks["tests.project.tasks.add"].delay(1, 2)
    with pytest.raises(TaskResultDoesNotExist):
        django_jobs.add.get_result(celery_job.id)


def test_result_outlives_a_change_of_the_settings(ledger: str, app: Celery) -> None:
    sent = django_jobs.report.enqueue("r")
    queues = {"default": {"BACKEND": "holdfast.tasks.HoldfastBackend"}}
    with override_settings(TASKS=queues):
        asked = task_backends["default"].get_result(sent.id)
    assert asked.task.func is django_jobs.report.func


def test_refresh_brings_what_has_changed(ledger: str, app: Celery) -> None:
    first, second = django_jobs.add.enqueue(1), django_jobs.add.enqueue(2)
    holdfast.cancel([first.id, second.id])
    first.refresh()
    async_to_sync(second.arefresh)()
    for result in (first, second):
        assert result.status == TaskResultStatus.FAILED
        assert result.is_finished
        assert result.finished_at is not None
        (error,) = result.errors
        assert error.exception_class.__name__ == "TaskRevokedError"
        with pytest.raises(ValueError, match="failed"):
            _ = result.return_value


def test_job_that_is_replayed_is_ready_again(ledger: str, app: Celery) -> None:
    sent = django_jobs.add.enqueue(1)
    holdfast.cancel(sent.id)
    holdfast.replay(sent.id)
    sent.refresh()
    assert (sent.status, sent.errors, sent.finished_at) == (TaskResultStatus.READY, [], None)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("unknown task", "celery.exceptions.NotRegistered"),
        ("undecodable", "kombu.exceptions.DecodeError"),
    ],
)
def test_job_that_nobody_can_run_has_failed_with_the_reason(
    ledger: str, app: Celery, reason: str, expected: str
) -> None:
    sent = django_jobs.add.enqueue(1)
    interventions.bury(sent.id, reason=reason)
    sent.refresh()
    assert sent.status == TaskResultStatus.FAILED
    assert [error.exception_class_path for error in sent.errors] == [expected]
    assert sent.errors[0].exception_class is import_string(expected)


def test_backend_supports_all_that_the_api_has(app: Celery) -> None:
    backend = task_backends["default"]
    assert isinstance(backend, HoldfastBackend)
    flags = ("supports_defer", "supports_async_task", "supports_get_result", "supports_priority")
    assert all(getattr(backend, flag) for flag in flags)


def test_unknown_option_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError, match=r"'max_retrys'.*did you mean 'max_retries'"):
        backend_of(OPTIONS={"max_retrys": 3})


def test_settings_of_the_tests_pass_the_checks(app: Celery) -> None:
    found = [message for backend in task_backends.all() for message in backend.check()]
    assert found == []


def test_queue_that_celery_does_not_know_is_found(app: Celery) -> None:
    app.conf.task_create_missing_queues = False
    app.amqp.queues.create_missing = False
    (error,) = backend_of(QUEUES=["default", "nowhere"]).check()
    assert error.id == django_checks.QUEUE_CANNOT_BE_USED
    assert "nowhere" in error.msg


def test_check_runs_with_djangos_own(app: Celery) -> None:
    tasks = {"default": {"BACKEND": "holdfast.tasks.HoldfastBackend", "ENQUEUE_ON_COMMIT": False}}
    with override_settings(TASKS=tasks):
        found = {message.id for message in checks.run_checks()}
    assert django_checks.ENQUEUED_WITH_THE_TRANSACTION in found


def test_enqueue_on_commit_left_on_is_no_finding(app: Celery) -> None:
    assert backend_of(ENQUEUE_ON_COMMIT=True).check() == []


def test_eager_call_has_ended_when_enqueue_returns(
    ledger: str, app: Celery, told: list[tuple[Any, Any]]
) -> None:
    app.conf.task_always_eager = True
    well: Any = django_jobs.add_async.enqueue(1, 2)
    assert (well.status, well.return_value, well.attempts) == (TaskResultStatus.SUCCESSFUL, 3, 1)
    badly = django_jobs.fail.enqueue("said")
    assert badly.status == TaskResultStatus.FAILED
    assert badly.errors[0].exception_class is ValueError
    assert len(told) == 2
    assert not Job.objects.using(ledger).exists()


def test_signals_of_the_run_are_those_of_the_api() -> None:
    modules = {signal.__class__.__module__ for signal in (task_started, task_finished)}
    assert modules == {"django.dispatch.dispatcher"}
