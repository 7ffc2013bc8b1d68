"""Django's tasks API in the process that enqueues: what is recorded, and what is refused."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from kombu.common import Broadcast

from holdfast import Celery
from holdfast.dispatch import django_tasks
from holdfast.dispatch.django_api import (
    InvalidTask,
    InvalidTaskBackend,
    Task,
    TaskResultDoesNotExist,
    TaskResultStatus,
)
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.models import Job, Payload
from holdfast.ledger.states import State
from holdfast.tasks import HoldfastBackend
from tests.integration.django_tasks.enqueued import IN_AN_HOUR, job_of
from tests.project import django_jobs


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
    row = job_of(ledger, django_jobs.add.enqueue(1))
    assert (row.task, row.queue, row.priority) == ("holdfast.django_task", "celery", 4)
    body = bytes(Payload.objects.using(ledger).get(job=row.id).body).decode()
    assert '"tests.project.django_jobs:add"' in body


def test_enqueue_in_a_transaction_is_part_of_it(ledger: str, app: Celery) -> None:
    with transaction.atomic(using=ledger):
        gone = django_jobs.add.enqueue(1)
        assert job_of(ledger, gone).state != State.SUCCEEDED, "it is there, inside"
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
    assert job_of(ledger, result).priority == expected
    assert django_jobs.add.get_result(result.id).task.priority == priority


def test_higher_priority_never_gets_a_lower_number() -> None:
    numbers = [django_tasks.celery_priority(priority) for priority in range(-100, 101)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(10))


def test_default_queue_is_celerys_and_others_keep_their_name(ledger: str, app: Celery) -> None:
    report = django_jobs.report.enqueue("r")
    assert job_of(ledger, report).queue == "reports"
    assert report.task.queue_name == "reports"
    app.conf.task_default_queue = "own"
    assert job_of(ledger, django_jobs.add.enqueue(1)).queue == "own"


def test_run_after_is_held_in_the_ledger(ledger: str, app: Celery) -> None:
    moment = timezone.now() + IN_AN_HOUR
    result = django_jobs.add.using(run_after=moment).enqueue(1)
    row = job_of(ledger, result)
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
    assert job_of(ledger, result).due_at == expected


def test_enqueued_is_told_once_with_the_backend_and_the_result(
    ledger: str, app: Celery, told: list[tuple[Any, Any]]
) -> None:
    result = django_jobs.add.enqueue(1)
    ((sender, task_result),) = told
    assert sender is HoldfastBackend
    assert task_result.id == result.id
    assert job_of(ledger, task_result).task == "holdfast.django_task"


def test_options_reach_the_job(ledger: str, app: Celery) -> None:
    row = job_of(ledger, django_jobs.outlast_limit.enqueue())
    assert row.expires_at is not None
    assert row.expires_at - row.recorded_at == timedelta(seconds=0.2)
    headers = Payload.objects.using(ledger).get(job=row.id).headers
    assert '"timelimit": [1.0, null]' in headers


def test_settings_that_keep_less_do_not_reach_the_tasks_of_django(ledger: str, app: Celery) -> None:
    app.conf.task_ignore_result = True
    with override_settings(HOLDFAST={"database": ledger, "durable": False}):
        row = job_of(ledger, django_jobs.add.enqueue(1))
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
