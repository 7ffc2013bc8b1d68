"""Faults that `holdfast.testing` rehearses, and what it leaves as it was."""

from __future__ import annotations

from typing import Any

import celery
import pytest
from celery.result import AsyncResult
from django.core import mail
from django.db import connections

from holdfast import Celery
from holdfast.exceptions import ConfigurationError, HoldfastError
from holdfast.testing import HoldfastJobs, JobDied, faults
from tests.integration.testing_jobs.shown import states
from tests.project.django_jobs import add_async as django_add
from tests.rehearsed import ALIAS, written


def test_worker_that_dies_repeats_what_is_not_atomic(jobs: HoldfastJobs, task: Any) -> None:
    for name in ("note", "atomic.note"):
        task(name).apply_async((name,), link=task("note").si(f"after {name}"))
        with faults.worker_dies(task(name)) as death:
            jobs.drain()
        assert death.happened == 1
    assert written() == ["note", "note", "after note", "atomic.note", "after atomic.note"]
    job = jobs.recorded("note")[0]
    assert (job.state, job.attempts, job.losses, job.failures) == ("succeeded", 2, 1, 0)


def test_worker_that_dies_each_time_makes_the_job_dead(jobs: HoldfastJobs, task: Any) -> None:
    task("autoretrying").apply_async(("a",), link_error=task("failed").s())
    with faults.worker_dies("autoretrying", times=3), pytest.raises(JobDied, match="poison"):
        jobs.drain(skip_waits=True)
    jobs.drain()
    assert written()[-1] == "told of the failure"


def test_attempt_that_lost_its_lease_writes_no_end(jobs: HoldfastJobs, task: Any) -> None:
    for name in ("note", "atomic.note"):
        task(name).apply_async((name,), link=task("note").si(f"after {name}"))
        with faults.lease_lost(task(name)):
            jobs.drain()
    assert written() == ["note", "note", "after note", "atomic.note", "after atomic.note"]
    assert set(states(jobs)) == {"succeeded"}
    task("raising").delay("stale")
    with faults.lease_lost("raising"), pytest.raises(ValueError, match="stale"):
        jobs.drain()
    assert jobs.recorded("raising")[0].attempts == 2


def test_fault_that_does_not_happen_fails_the_test(jobs: HoldfastJobs, task: Any) -> None:
    with (
        pytest.raises(AssertionError, match=r"worker_dies\(note\): 0 of 1 attempts"),
        faults.worker_dies(task("note")),
    ):
        jobs.drain()


def test_jobs_wait_while_the_broker_is_down(jobs: HoldfastJobs, task: Any) -> None:
    with faults.broker_down():
        task("note").delay("kept")
        assert [job.hold for job in jobs.recorded()] == ["relay"]
        assert jobs.drain() == 0
    assert jobs.drain() == 1
    assert written() == ["kept"]


def test_no_call_leaves_the_process_or_runs_eagerly(frame: str, app: Celery) -> None:
    app.conf.task_always_eager = True
    before = app.outbox.publisher
    with HoldfastJobs(app) as jobs:
        app.tasks["plain"].delay("nobody runs it")
        app.tasks["note"].delay("later")
        assert written() == []
        assert jobs.drain() == 1
    assert app.conf.task_always_eager
    assert app.outbox.publisher is before
    assert written() == ["later"]


def test_task_is_left_as_it_was(jobs: HoldfastJobs, task: Any) -> None:
    attributes = {name: dict(vars(task(name))) for name in ("note", "autoretrying")}
    for name in attributes:
        task(name).delay("x")
    jobs.drain(skip_waits=True)
    for name, before in attributes.items():
        after = vars(task(name))
        assert {key: after.get(key) for key in ("run", "_orig_run")} == {
            key: before.get(key) for key in ("run", "_orig_run")
        }
    assert "close" not in vars(connections[ALIAS])


def test_typed_arguments_are_compared_as_they_travel(jobs: HoldfastJobs, app: Celery) -> None:
    from tests.shop.orders import Order

    def ship(order: Order, *, days: int = 1) -> str:
        return f"{type(order).__name__} {order.number}"

    ship.__annotations__ = {"order": Order, "days": int, "return": str}
    shipped = app.task(name="ship", shared=False, typed_arguments=True)(ship)
    sent = shipped.delay(Order(orderNumber=7))
    jobs.assert_recorded(shipped, args=(Order(orderNumber=7),))
    jobs.assert_not_recorded(shipped, args=(Order(orderNumber=8),))
    jobs.assert_recorded(shipped, kwargs={})
    jobs.drain()
    assert sent.get() == "Order 7"


def test_django_tasks_are_found_and_run_under_their_own_names(
    jobs: HoldfastJobs, app: Celery
) -> None:
    sent: Any = django_add.enqueue(1, 2)
    jobs.assert_recorded(django_add, args=(1, 2), count=1)
    jobs.assert_not_recorded(django_add, args=(1, 3))
    with faults.worker_dies(django_add):
        assert jobs.drain() == 2
    sent.refresh()
    assert sent.return_value == 3


def test_result_of_a_drained_job_is_read_by_its_id(jobs: HoldfastJobs, task: Any) -> None:
    sent = task("note").delay("x")
    assert AsyncResult(sent.id).state == "PENDING"
    jobs.drain()
    assert AsyncResult(sent.id).state == "SUCCESS"


def test_app_that_records_nothing_is_refused(frame: str) -> None:
    plain = celery.Celery("plain", set_as_current=False)
    with pytest.raises(ConfigurationError, match=r"no holdfast.Celery"), HoldfastJobs(plain):
        pass


def test_jobs_of_a_running_site_are_not_touched(
    frame: str, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mail, "outbox")
    with pytest.raises(HoldfastError, match="works in tests only"), HoldfastJobs(app):
        pass
