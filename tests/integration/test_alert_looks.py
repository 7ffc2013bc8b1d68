"""What rules find in a ledger: each kind by what really happened, and nothing of what they are not about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db.models.functions import Now

from holdfast import Celery, doctor
from holdfast.alerts import signs
from holdfast.alerts.deciding import Sign
from holdfast.alerts.stated import read
from holdfast.alerts.tasks import OWN_TASK
from holdfast.doctor import Report, Severity
from holdfast.ledger import schedules
from holdfast.ledger.database import alias, dialect
from holdfast.ledger.models import Worker
from holdfast.ledger.schedules import Decided
from holdfast.testing import HoldfastJobs
from tests.project import watched
from tests.rows import hire


def look(when: str, **asks: Any) -> list[Sign]:
    """Return what a rule finds."""
    (rule,) = read({"rules": [{"when": when, **asks}]}).rules
    return signs.look(rule)


@pytest.fixture
def task(app: Celery) -> Callable[[Any], Any]:
    return lambda shared: app.tasks[shared.name]


def test_dead_letters_are_told_by_cause_and_without_secrets(jobs: HoldfastJobs, task: Any) -> None:
    for _ in range(2):
        task(watched.break_down).delay("4111111111111111")
    task(watched.speak).apply_async(("it",), {"fails": 9}, retries=8)
    jobs.drain(raise_errors=False)
    (found,) = look("dead_letter", task="tests.project.watched.break*")
    assert found.subject.startswith(f"{watched.break_down.name} ")
    assert found.summary.startswith(f"{watched.break_down.name}: 2 dead letters in 15 minutes: ")
    assert found.path == f"errors/{found.subject.split()[1]}/"
    assert found.facts["count"] == 2
    everything = look("dead_letter")
    assert len(everything) == 2
    assert "hunter2" not in str(everything)
    assert not look("dead_letter", task="other.*")


def test_dead_letter_of_a_message_is_told_only_where_that_is_asked_for(
    jobs: HoldfastJobs, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> str:
        raise LookupError("no channel")

    monkeypatch.setattr("holdfast.alerts.sending.send", fail)
    app.tasks[OWN_TASK].delay(1)
    jobs.drain(raise_errors=False)
    assert not look("dead_letter")
    assert len(look("dead_letter", task=OWN_TASK)) == 1


def test_share_of_failures_counts_from_so_many_jobs_on(jobs: HoldfastJobs, task: Any) -> None:
    for _ in range(3):
        task(watched.break_down).delay("4111")
    task(watched.listen).delay(1, "it")
    jobs.drain(raise_errors=False)
    (found,) = look("failure_rate", above=0.5, least=4)
    assert found.subject == "all tasks"
    assert found.summary.startswith("all tasks: 3 of 4 jobs failed in 10 minutes, 75%; the bound")
    assert not look("failure_rate", above=0.75, least=4)
    assert not look("failure_rate", above=0.5, least=5)
    (of_task,) = look("failure_rate", task=watched.break_down.name, above=0.5, least=3)
    assert of_task.subject == f"task {watched.break_down.name}"
    (of_queue,) = look("failure_rate", queue="celery", above=0.5, least=4)
    assert of_queue.subject == "queue celery"
    assert not look("failure_rate", queue="other", above=0.5, least=1)


def test_wait_is_that_of_jobs_which_ended(jobs: HoldfastJobs, task: Any) -> None:
    for _ in range(5):
        task(watched.listen).delay(1, "it")
    jobs.drain()
    (found,) = look("wait", queue="celery", above=1e-9)
    assert found.subject == "queue celery"
    assert "jobs waited" in found.summary
    assert not look("wait", queue="celery", above=3600)
    assert not look("wait", queue="cel*", above=1e-9)  # neither open jobs nor a worker
    task(watched.listen).delay(1, "it")
    assert len(look("wait", queue="cel*", above=1e-9)) == 1
    assert not look("wait", queue="celery", above=1e-9, least=6)


def test_oldest_and_unserved_are_about_what_waits(jobs: HoldfastJobs, task: Any) -> None:
    assert not look("oldest", above=1e-9)
    task(watched.listen).apply_async((1, "it"), queue="mail")
    (found,) = look("oldest", queue="m*", above=1e-9)
    assert found.summary.startswith("Queue mail: 1 job waits, the oldest for 0 s; the bound is")
    assert not look("oldest", queue="m*", above=3600)
    assert not look("oldest", queue="celery", above=1e-9)
    (unserved,) = look("unserved")
    assert unserved.summary == "Queue mail: jobs wait, and no live worker takes them."
    assert not look("unserved", queue="celery")


def test_missed_occurrences_are_told_by_schedule(jobs: HoldfastJobs) -> None:
    due = dialect().now() - timedelta(minutes=5)
    schedules.note("nightly", Decided(due_at=due, outcome="missed", reason="nobody was there"))
    schedules.note("hourly", Decided(due_at=due, outcome="fired"))
    (found,) = look("missed")
    assert found.summary.startswith("Schedule nightly: 1 occurrence missed, the last one due at ")
    assert not look("missed", schedule="hourly")


def test_worker_that_froze_stalled_or_was_lost_is_told(jobs: HoldfastJobs) -> None:
    rows = Worker.objects.using(alias())
    one = rows.filter(id=hire())
    name = one.get().name
    assert not look("worker")
    one.update(lease_until=Now() - timedelta(seconds=40), lease_seconds=30.0)
    (frozen,) = look("worker")
    assert frozen.subject == f"worker {name}"
    assert "has not been heard of for 70 s: frozen, or gone" in frozen.summary
    one.update(lease_until=Now() + timedelta(seconds=40), stalled_at=Now() - timedelta(seconds=50))
    (stalled,) = look("worker")
    assert "has taken nothing for 50 s, though there is work" in stalled.summary
    one.update(stalled_at=None, lost_at=Now(), lease_until=Now())
    (lost,) = look("worker")
    assert "was lost at" in lost.summary
    assert lost.subject == frozen.subject
    assert not look("worker", worker="other@*")


def test_findings_of_the_doctor_are_told_by_level_and_id(jobs: HoldfastJobs) -> None:
    error = _finding("holdfast.E301", Severity.ERROR)
    warning = _finding("holdfast.W301", Severity.WARNING)
    with mock.patch.object(doctor, "examine", return_value=Report(findings=[error, warning])):
        (found,) = look("finding")
        assert found.subject == "holdfast.E301"
        assert found.summary == "holdfast.E301 It is broken: seen here"
        assert found.facts["repair"] == "Mend it."
        assert len(look("finding", level="warning")) == 2
        assert not look("finding", id="holdfast.E4*")


def _finding(id: str, severity: Severity) -> Any:
    return mock.Mock(
        id=id,
        severity=severity,
        title="It is broken",
        evidence="seen here\nand there",
        repair="Mend it.",
    )


def test_one_rule_tells_of_a_hundred_things_at_most() -> None:
    many = [Sign(subject=str(number), summary="x") for number in range(150)]
    with mock.patch.dict(signs._LOOKS, {"unserved": lambda _: many}):
        found = look("unserved")
    assert len(found) == 101
    assert found[-1].summary == "More than 100 things are wrong by this rule."
