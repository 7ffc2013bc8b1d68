"""Django's tasks whose time, process, worker or broker ends: each ends once, with what the result shows of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
from celery.exceptions import TaskRevokedError, TimeLimitExceeded, WorkerLostError
from django.utils import timezone

from holdfast.dispatch.django_api import TaskResultStatus
from holdfast.ledger.models import Job, Payload
from tests.django_tasks import KINDS, QUEUES, finished
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import django_jobs
from tests.project.models import AtomicEffect

pytestmark = pytest.mark.slow


@pytest.fixture(params=KINDS)
def quiet_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site of its own for a test that stops or kills workers."""
    with new_site(str(request.param), request) as site:
        yield site


@pytest.mark.short_on("sqlite")
def test_task_not_begun_in_time_has_failed(quiet_site: Site) -> None:
    sent = django_jobs.in_time.enqueue("late")
    row = Job.objects.using(quiet_site.alias).get(id=sent.id)
    assert row.expires_at is not None
    late = row.expires_at
    eventually(lambda: timezone.now() > late, told="it is too late")
    quiet_site.worker(queues=QUEUES)
    result = finished(quiet_site, sent)
    assert result.status == TaskResultStatus.FAILED
    assert [error.exception_class for error in result.errors] == [TaskRevokedError]
    assert quiet_site.effects() == []


@pytest.mark.short_on("sqlite")
def test_hard_time_limit_is_a_failure(quiet_site: Site) -> None:
    quiet_site.worker(queues=QUEUES)
    sent = django_jobs.outlast_limit.using(run_after=timezone.now()).enqueue()
    result = finished(quiet_site, sent)
    assert result.status == TaskResultStatus.FAILED
    assert [error.exception_class.__name__ for error in result.errors] == [
        TimeLimitExceeded.__name__
    ]


@pytest.mark.short_on("postgres")
def test_killed_worker_gives_its_django_task_to_another_one(quiet_site: Site) -> None:
    first = quiet_site.worker(queues=QUEUES)
    sent = django_jobs.slow.enqueue("killed", 60)
    eventually(lambda: "start killed" in quiet_site.effects())
    running = django_jobs.slow.get_result(sent.id)
    assert (running.status, running.attempts) == (TaskResultStatus.RUNNING, 1)

    first.kill()
    # The second attempt must end: what it is called with stays as it is in the ledger, so the sleep is cut.
    _shorten(quiet_site, sent.id)
    quiet_site.worker(queues=QUEUES)
    result = finished(quiet_site, sent)

    assert result.status == TaskResultStatus.SUCCESSFUL
    assert result.return_value == "killed"
    assert result.attempts == 2
    assert len(set(result.worker_ids)) == 2
    assert [error.exception_class for error in result.errors] == [WorkerLostError]
    assert result.started_at == running.started_at
    assert result.started_at < result.last_attempted_at
    assert quiet_site.effects() == ["start killed", "start killed", "end killed"]


@pytest.mark.short_on("sqlite")
def test_killed_child_runs_its_django_task_again(quiet_site: Site) -> None:
    quiet_site.worker(queues=QUEUES)
    result = finished(quiet_site, django_jobs.lose_child_once.enqueue("child"))
    assert (result.status, result.attempts) == (TaskResultStatus.SUCCESSFUL, 2)
    assert [error.exception_class for error in result.errors] == [WorkerLostError]


@pytest.mark.short_on("postgres")
def test_atomic_django_task_whose_worker_is_killed_writes_once(quiet_site: Site) -> None:
    rows = AtomicEffect.objects.using(quiet_site.alias).filter(job="once")
    first = quiet_site.worker(queues=QUEUES)
    sent = django_jobs.write_and_wait.enqueue("once", 60)
    eventually(lambda: "start once" in quiet_site.effects())
    first.signal_group(signal.SIGKILL)
    first.wait()
    quiet_site.worker(queues=QUEUES)
    result = finished(quiet_site, sent)
    assert (result.status, result.attempts) == (TaskResultStatus.SUCCESSFUL, 2)
    assert rows.count() == 1


@pytest.mark.short_on("sqlite")
def test_enqueued_task_runs_after_the_broker_was_wiped(quiet_site: Site) -> None:
    sent = [django_jobs.add.enqueue(n, 0) for n in range(20)]
    quiet_site.redis().flushall()
    quiet_site.worker(queues=QUEUES)
    assert [finished(quiet_site, result).return_value for result in sent] == list(range(20))


def _shorten(site: Site, job_id: str) -> None:
    payload = Payload.objects.using(site.alias).get(job=job_id)
    args, kwargs, embed = json.loads(bytes(payload.body))
    kwargs["args"][1] = 0
    payload.body = json.dumps([args, kwargs, embed]).encode()
    payload.save(using=site.alias)
