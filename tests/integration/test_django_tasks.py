"""The backend of Django's tasks API, asked in the process that enqueues: what is recorded, refused and shown."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import checks
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from django.utils.module_loading import import_string
from kombu.common import Broadcast

import holdfast
from holdfast import Celery
from holdfast.dispatch import django_checks, django_tasks
from holdfast.dispatch.django_api import (
    InvalidTask,
    InvalidTaskBackend,
    Task,
    TaskResultDoesNotExist,
    TaskResultMismatch,
    TaskResultStatus,
    task_backends,
    task_enqueued,
    task_finished,
    task_started,
)
from holdfast.dispatch.django_calls import find_task
from holdfast.exceptions import ConfigurationError
from holdfast.ledger import interventions
from holdfast.ledger.models import Job, Payload
from holdfast.ledger.states import State
from holdfast.tasks import HoldfastBackend
from tests.project import django_jobs
from tests.surroundings import current_app

IN_AN_HOUR = timedelta(hours=1)


@pytest.fixture
def app(ledger: str) -> Iterator[Celery]:
    """An app whose broker is not there: what is enqueued stays in the ledger."""
    with current_app("redis://127.0.0.1:1/0") as app:
        yield app
        app.outbox.publisher.available = True  # ends its probe


@pytest.fixture
def told() -> Iterator[list[tuple[Any, Any]]]:
    """What `task_enqueued` told: (sender, result)."""
    heard: list[tuple[Any, Any]] = []

    def hear(sender: Any, task_result: Any, **_: Any) -> None:
        heard.append((sender, task_result))

    task_enqueued.connect(hear)
    yield heard
    task_enqueued.disconnect(hear)


def _job(ledger: str, result: Any) -> Job:
    return Job.objects.using(ledger).get(id=result.id)


def _backend(**params: Any) -> HoldfastBackend:
    return HoldfastBackend("default", params)


# -- enqueue ------------------------------------------------------------------------------------------


def test_result_of_enqueue_has_every_attribute(ledger: str, app: Celery) -> None:
    before = timezone.now()
    result = django_jobs.add.enqueue(1, y=2)

    assert result.task.func is django_jobs.add.func
    assert (result.args, result.kwargs) == ([1], {"y": 2})
    assert result.status == TaskResultStatus.READY
    assert not result.is_finished
    assert result.backend == "default"
    assert result.enqueued_at is not None
    assert before <= result.enqueued_at <= timezone.now()
    assert (result.started_at, result.last_attempted_at, result.finished_at) == (None, None, None)
    assert (result.errors, result.worker_ids, result.attempts) == ([], [], 0)
    assert isinstance(result.id, str)
    assert len(result.id) <= 64
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value


def test_enqueue_records_one_job_of_the_one_celery_task(ledger: str, app: Celery) -> None:
    row = _job(ledger, django_jobs.add.enqueue(1))
    assert (row.task, row.queue, row.priority) == ("holdfast.django_task", "celery", 4)
    body = bytes(Payload.objects.using(ledger).get(job=row.id).body).decode()
    assert '"tests.project.django_jobs:add"' in body


def test_enqueue_in_a_transaction_is_part_of_it(ledger: str, app: Celery) -> None:
    with transaction.atomic(using=ledger):
        gone = django_jobs.add.enqueue(1)
        assert _job(ledger, gone).state != State.SUCCEEDED, "it is there, inside"
        transaction.set_rollback(True, using=ledger)
    with pytest.raises(TaskResultDoesNotExist):
        gone.refresh()
    with transaction.atomic(using=ledger):
        kept = django_jobs.add.enqueue(2)
    kept.refresh()
    assert kept.status == TaskResultStatus.READY
    assert Job.objects.using(ledger).count() == 1


@pytest.mark.parametrize(
    ("priority", "expected"), [(-100, 0), (-1, 4), (0, 4), (1, 5), (50, 7), (99, 9), (100, 9)]
)
def test_priorities_are_ten_equal_parts(
    ledger: str, app: Celery, priority: int, expected: int
) -> None:
    result = django_jobs.add.using(priority=priority).enqueue(1)
    assert _job(ledger, result).priority == expected
    assert django_jobs.add.get_result(result.id).task.priority == priority


def test_higher_priority_never_gets_a_lower_number() -> None:
    numbers = [django_tasks.celery_priority(priority) for priority in range(-100, 101)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(10))


def test_default_queue_is_celerys_and_others_keep_their_name(ledger: str, app: Celery) -> None:
    report = django_jobs.report.enqueue("r")
    assert _job(ledger, report).queue == "reports"
    assert report.task.queue_name == "reports"
    app.conf.task_default_queue = "own"
    assert _job(ledger, django_jobs.add.enqueue(1)).queue == "own"


def test_run_after_is_held_in_the_ledger(ledger: str, app: Celery) -> None:
    moment = timezone.now() + IN_AN_HOUR
    result = django_jobs.add.using(run_after=moment).enqueue(1)
    row = _job(ledger, result)
    assert (row.state, row.hold, row.due_at) == (State.HELD, "eta", moment)
    assert app.outbox.publisher.available, "the broker was not even asked"
    asked = django_jobs.add.get_result(result.id)
    assert asked.task.run_after == moment
    assert asked.status == TaskResultStatus.READY


def test_run_after_without_a_zone_is_in_djangos_zone(ledger: str, app: Celery) -> None:
    with override_settings(USE_TZ=False, TIME_ZONE="America/New_York"):
        moment = datetime(2040, 7, 1, 12, 0)  # noqa: DTZ001  # as USE_TZ=False has it
        result = django_jobs.add.using(run_after=moment).enqueue(1)
    expected = moment.replace(tzinfo=zoneinfo.ZoneInfo("America/New_York")).astimezone(UTC)
    assert _job(ledger, result).due_at == expected


def test_enqueued_is_told_once_with_the_backend_and_the_result(
    ledger: str, app: Celery, told: list[tuple[Any, Any]]
) -> None:
    result = django_jobs.add.enqueue(1)
    ((sender, task_result),) = told
    assert sender is HoldfastBackend
    assert task_result.id == result.id
    assert _job(ledger, task_result).task == "holdfast.django_task"


def test_options_reach_the_job(ledger: str, app: Celery) -> None:
    row = _job(ledger, django_jobs.outlast_limit.enqueue())
    assert row.expires_at is not None
    assert row.expires_at - row.recorded_at == timedelta(seconds=0.2)
    headers = Payload.objects.using(ledger).get(job=row.id).headers
    assert '"timelimit": [1.0, null]' in headers


def test_settings_that_keep_less_do_not_reach_the_tasks_of_django(ledger: str, app: Celery) -> None:
    app.conf.task_ignore_result = True
    with override_settings(HOLDFAST={"database": ledger, "durable": False}):
        row = _job(ledger, django_jobs.add.enqueue(1))
    assert not row.ignore_result


def test_arguments_without_a_form_in_json_are_refused(ledger: str, app: Celery) -> None:
    with pytest.raises(TypeError, match="Unsupported type"):
        django_jobs.add.enqueue(object())  # type: ignore[arg-type]  # what is refused
    assert not Job.objects.using(ledger).exists()


def test_arguments_are_what_json_makes_of_them(ledger: str, app: Celery) -> None:
    add: Any = django_jobs.add
    result = add.enqueue((1, 2), y=b"bytes")
    assert result.args == [[1, 2]]
    asked = django_jobs.add.get_result(result.id)
    assert (asked.args, asked.kwargs) == ([[1, 2]], {"y": "bytes"})


def test_compressed_arguments_are_read_back(ledger: str, app: Celery) -> None:
    app.conf.task_compression = "gzip"
    result = django_jobs.add.enqueue(1, 2)
    assert django_jobs.add.get_result(result.id).args == [1, 2]


# -- what is refused ----------------------------------------------------------------------------------


def test_unknown_queue_is_refused(app: Celery) -> None:
    with pytest.raises(InvalidTask, match="nowhere"):
        django_jobs.add.using(queue_name="nowhere")
    assert django_jobs.fail_twice.using(queue_name="anywhere").queue_name == "anywhere", "QUEUES []"


@pytest.mark.parametrize("priority", [-101, 101, 0.5])
def test_priority_out_of_range_is_refused(app: Celery, priority: float) -> None:
    with pytest.raises(InvalidTask, match="priority"):
        django_jobs.add.using(priority=priority)  # type: ignore[arg-type]  # what is refused


def test_run_after_without_a_zone_is_refused(app: Celery) -> None:
    with pytest.raises(InvalidTask, match="aware"):
        django_jobs.add.using(run_after=datetime(2040, 1, 1))  # noqa: DTZ001  # what is refused


def test_function_inside_a_function_is_refused(app: Celery) -> None:
    def inside() -> None: ...

    with pytest.raises(InvalidTask, match="module"):
        Task(func=inside)


def test_context_must_be_the_first_argument(app: Celery) -> None:
    with pytest.raises(InvalidTask, match="context"):
        Task(func=django_jobs.add.func, takes_context=True)


def test_function_that_a_worker_would_not_find_is_refused(ledger: str, app: Celery) -> None:
    with pytest.raises(InvalidTask, match=r"django_jobs:shadowed"):
        django_jobs.first_of_two.enqueue()
    assert not Job.objects.using(ledger).exists()


def test_unknown_backend_is_refused(app: Celery) -> None:
    with pytest.raises(InvalidTaskBackend):
        django_jobs.add.using(backend="none such")


def test_queue_with_many_receivers_is_refused(ledger: str, app: Celery) -> None:
    app.conf.task_queues = [Broadcast("everywhere")]
    with pytest.raises(InvalidTask, match="many receivers"):
        django_jobs.fail_twice.using(queue_name="everywhere").enqueue("x")


def test_stock_celery_app_is_refused(ledger: str, app: Celery) -> None:
    from celery import Celery as StockCelery

    stock = StockCelery("stock", broker="memory://", set_as_current=False)
    stock.set_current()
    try:
        with pytest.raises(ConfigurationError, match="from holdfast import Celery"):
            django_jobs.add.enqueue(1)
    finally:
        app.set_current()


# -- what is found by name ----------------------------------------------------------------------------


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


# -- get_result ---------------------------------------------------------------------------------------


def test_result_is_asked_by_task_and_by_backend(ledger: str, app: Celery) -> None:
    sent = django_jobs.add.using(priority=7).enqueue(1, 2)
    row = _job(ledger, sent)
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


# -- the backend itself -------------------------------------------------------------------------------


def test_backend_supports_all_that_the_api_has(app: Celery) -> None:
    backend = task_backends["default"]
    assert isinstance(backend, HoldfastBackend)
    flags = ("supports_defer", "supports_async_task", "supports_get_result", "supports_priority")
    assert all(getattr(backend, flag) for flag in flags)


def test_unknown_option_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError, match=r"'max_retrys'.*did you mean 'max_retries'"):
        _backend(OPTIONS={"max_retrys": 3})


def test_settings_of_the_tests_pass_the_checks(app: Celery) -> None:
    found = [message for backend in task_backends.all() for message in backend.check()]
    assert found == []


def test_queue_that_celery_does_not_know_is_found(app: Celery) -> None:
    app.conf.task_create_missing_queues = False
    app.amqp.queues.create_missing = False
    (error,) = _backend(QUEUES=["default", "nowhere"]).check()
    assert error.id == django_checks.QUEUE_CANNOT_BE_USED
    assert "nowhere" in error.msg


def test_check_runs_with_djangos_own(app: Celery) -> None:
    tasks = {"default": {"BACKEND": "holdfast.tasks.HoldfastBackend", "ENQUEUE_ON_COMMIT": False}}
    with override_settings(TASKS=tasks):
        found = {message.id for message in checks.run_checks()}
    assert django_checks.ENQUEUED_WITH_THE_TRANSACTION in found


def test_enqueue_on_commit_left_on_is_no_finding(app: Celery) -> None:
    assert _backend(ENQUEUE_ON_COMMIT=True).check() == []


# -- CELERY_TASK_ALWAYS_EAGER -------------------------------------------------------------------------


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
