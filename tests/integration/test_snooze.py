"""A job that snoozes comes back when it said, and nothing counts against it; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from celery import Task
from django.db.models.functions import Now
from django.utils import timezone

from holdfast import Celery, Snooze
from holdfast.exceptions import AttemptLost, HoldfastError
from holdfast.ledger import publishing, snoozing, transitions
from holdfast.ledger.models import Attempt, Job, Payload
from holdfast.ledger.records import Hold
from holdfast.ledger.states import State
from holdfast.testing import HoldfastJobs
from tests.project.models import AtomicEffect
from tests.rows import hire, new_job

HOUR = timedelta(hours=1)


def row_of(ledger: str, job: str) -> Job:
    return Job.objects.using(ledger).get(id=job)


def snoozing_once(self: Any, **when: Any) -> str:
    if self.request.holdfast["attempt"] == 1:
        raise Snooze(**when, reason="the shop is closed")
    return f"retries {self.request.retries}"


@pytest.mark.parametrize("options", [{}, {"atomic": True}, {"autoretry_for": (Exception,)}])
def test_job_that_snoozes_comes_back_and_nothing_counts_against_it(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any], options: dict[str, Any]
) -> None:
    hooks = mock.Mock()
    names = ("on_retry", "on_failure", "on_success")

    class Watched(Task):  # type: ignore[misc]  # see pyproject.toml
        abstract = True

    for name in names:
        setattr(Watched, name, lambda self, *_, name=name: getattr(hooks, name)())
    sent = put(snoozing_once, base=Watched, **options).delay(seconds=3600)

    assert jobs.drain() == 1
    row = row_of(ledger, sent.id)
    assert (row.state, row.hold, row.token) == (State.HELD, "snooze", 3)
    assert (row.failures, row.losses, row.worker) == (0, 0, None)
    assert sent.state == "PENDING"
    at = Job.objects.using(ledger).filter(id=sent.id, due_at__gt=Now() + 0.9 * HOUR)
    assert at.filter(due_at__lt=Now() + 1.1 * HOUR).exists()
    attempt = Attempt.objects.using(ledger).get(job=sent.id)
    assert (attempt.outcome, attempt.error) == ("snoozed", "the shop is closed")
    assert hooks.mock_calls == []

    assert jobs.drain(skip_waits=True) == 1
    assert sent.get() == "retries 0"
    assert hooks.mock_calls == [mock.call.on_success()]


def test_snooze_until_a_moment_is_due_then_by_the_databases_clock(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    moment = timezone.now() + HOUR

    def until(self: Any, past: bool) -> None:
        if self.request.holdfast["attempt"] == 1:
            self.snooze(until=moment - 2 * HOUR if past else moment)

    task = put(until)
    later, at_once = task.delay(past=False), task.delay(past=True)
    jobs.drain()
    assert row_of(ledger, later.id).due_at == moment
    assert row_of(ledger, at_once.id).state == State.SUCCEEDED


def test_snooze_rolls_an_atomic_body_back_and_keeps_what_another_has_written(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    def writing(self: Any) -> None:
        AtomicEffect.objects.using(ledger).create(job=self.name)
        raise Snooze(3600)

    def writing_atomic(self: Any) -> None:
        writing(self)

    put(writing).delay()
    put(writing_atomic, atomic=True).delay()
    assert jobs.drain() == 2
    assert list(AtomicEffect.objects.using(ledger).values_list("job", flat=True)) == ["writing"]


def test_snooze_before_the_body_puts_the_job_back(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    class Closed(Task):  # type: ignore[misc]  # see pyproject.toml
        abstract = True

        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            if self.request.holdfast["attempt"] == 1:
                raise Snooze(60)

    def opened(self: Any) -> str:
        return "open"

    sent = put(opened, base=Closed).delay()
    jobs.drain()
    assert row_of(ledger, sent.id).hold == "snooze"
    jobs.drain(skip_waits=True)
    assert sent.get() == "open"


def test_last_word_of_a_body_counts_and_an_earlier_retry_is_forgotten(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    def torn(self: Any) -> None:
        self.retry(countdown=5, throw=False)
        raise Snooze(3600)

    sent = put(torn).delay()
    jobs.drain()
    row = row_of(ledger, sent.id)
    assert (row.hold, row.failures) == ("snooze", 0)
    assert '"retries"' not in Payload.objects.using(ledger).get(job=sent.id).headers


def test_job_that_snoozes_for_ever_ends_when_it_expires(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    def waiting(self: Any) -> None:
        raise Snooze(600)

    sent = put(waiting).apply_async(expires=1500)
    assert jobs.drain(skip_waits=True) == 3
    assert row_of(ledger, sent.id).state == State.EXPIRED


def test_of_a_jobs_snoozes_the_latest_attempts_are_kept(ledger: str) -> None:
    worker, keep = hire(), snoozing.SNOOZES_KEPT
    for id in ("often", "other"):
        transitions.record([new_job(id)])
    for turn in range(keep + 3):
        ids = ["often", "other"] if turn == 0 else ["often"]
        rows = Job.objects.using(ledger).filter(id__in=ids).values_list("id", "token")
        batch = transitions.claim([(id, token, False) for id, token in rows], worker=worker)
        for job in batch.claimed:
            snoozing.snooze(Hold(job.id, job.token, worker), delay=-HOUR, reason=str(turn))
        publishing.publish_due(limit=10)
    kept = Attempt.objects.using(ledger).filter(job="often").order_by("id")
    assert [row.error for row in kept] == [str(turn) for turn in range(3, keep + 3)]
    assert Attempt.objects.using(ledger).filter(job="other").count() == 1


def test_attempt_that_lost_its_lease_does_not_snooze(ledger: str) -> None:
    worker = hire()
    (ticket,) = transitions.record([new_job("one")])
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    stale = Hold(job.id, job.token - 1, worker)
    with pytest.raises(AttemptLost):
        snoozing.snooze(stale, delay=HOUR)
    assert row_of(ledger, "one").state == State.RUNNING


def test_snooze_of_a_plain_celery_job_says_that_nothing_would_bring_it_back(
    app: Celery, put: Callable[..., Any]
) -> None:
    from celery.app.trace import build_tracer

    def plain(self: Any) -> None:
        raise Snooze(60)

    task = put(plain, durable=False)
    trace = build_tracer(task.name, task, app=app)
    request = {"id": "p", "args": [], "kwargs": {}, "delivery_info": {}, "task": task.name}
    with mock.patch.object(type(app.backend), "mark_as_failure"):
        _, info, _, _ = trace("p", [], {}, request)
    assert isinstance(info.retval, HoldfastError)
    assert "Remove durable=False" in str(info.retval)


def test_inline_call_that_snoozes_is_ignored_and_a_direct_one_raises(
    app: Celery, put: Callable[..., Any]
) -> None:
    def inline(self: Any) -> None:
        raise Snooze(60)

    task = put(inline)
    assert task.apply().state == "IGNORED"
    with pytest.raises(Snooze):
        task()
