"""Failures counted by their cause: each once whoever dies, those that were retried too, and read at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.db.models.functions import Now

from holdfast import Celery
from holdfast.ledger import duty, failures, interventions, transitions
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.models.failures import Cause, CauseCount
from holdfast.ledger.reads import errors
from holdfast.ledger.reads.errors import ErrorGroup, Wanted
from holdfast.ledger.records import Hold
from holdfast.ledger.states import Outcome, Reason
from holdfast.testing import HoldfastJobs
from holdfast.testing.services import RedisServer
from holdfast.upkeep.crew import Crew
from holdfast.upkeep.pulse import Pulse
from tests.integration.test_idle_statements import counted
from tests.machine import crash_before_statement
from tests.rows import FAILURE, hire, new_job


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def begin(worker: UUID, **more: Any) -> Hold:
    (ticket,) = transitions.record([new_job(**more)])
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    return Hold(job.id, job.token, worker)


def fail(worker: UUID, *, error: str = "ValueError('x')", **more: Any) -> str:
    hold = begin(worker, **more)
    assert transitions.fail(hold, stored=FAILURE, error=error)
    return hold.id


def ago(**delta: float) -> None:
    """Let what is not counted yet have ended a while ago."""
    rows = Attempt.objects.using("ledger").filter(uncounted=True)
    rows.update(ended_at=Now() - timedelta(**delta))


def shown(**wanted: Any) -> list[ErrorGroup]:
    return errors.groups(Wanted(**wanted))[0]


def test_failures_of_one_cause_are_counted_together_and_once(worker: UUID) -> None:
    for queue in ("a", "b", "a"):
        fail(worker, task="charge", queue=queue, error="Timeout('1')\n  twice")
    fail(worker, task="refund")
    assert duty.look().failures
    assert failures.count(limit=3) == 3
    assert failures.count(limit=3) == 1
    assert failures.count(limit=3) == 0
    assert not duty.look().failures

    charge, refund = sorted(shown(), key=lambda group: group.task)
    assert (charge.task, charge.error) == ("charge", "Timeout('1') twice")
    assert (charge.letters, charge.hour, charge.day, sum(charge.spark)) == (3, 3, 3, 3)
    assert (charge.queues, charge.workers) == (("a", "b"), ("w",))
    assert charge.first_at <= charge.last_at
    assert (refund.letters, refund.day) == (1, 1)
    assert Job.objects.using("ledger").get(id=charge.sample).task == "charge"


def test_attempts_that_are_retried_count_with_the_one_that_fails_for_good(
    jobs: HoldfastJobs, put: Callable[..., Any], ledger: str
) -> None:
    def breaks(self: Any) -> None:
        raise KeyError(self.request.retries)

    put(breaks, autoretry_for=(KeyError,), max_retries=2, retry_backoff=True).delay()
    jobs.drain(raise_errors=False, skip_waits=True)
    outcomes = Attempt.objects.using(ledger).order_by("id").values_list("outcome", flat=True)
    assert list(outcomes) == [Outcome.RETRIED, Outcome.RETRIED, Outcome.FAILED]
    failures.count(limit=10)
    (group,) = shown()
    assert group.fingerprint == Job.objects.using(ledger).get().fingerprint
    assert (group.day, group.letters, group.error) == (3, 1, "KeyError(2)")


def test_what_is_no_failure_is_not_counted(worker: UUID) -> None:
    hold = begin(worker)
    transitions.hand_back([hold], cause="stop")
    transitions.succeed(begin(worker), stored=None)
    interventions.replay(fail(worker))
    assert failures.count(limit=10) == 1
    assert {row.outcome for row in Attempt.objects.using("ledger").filter(fingerprint="")} == {
        Outcome.HANDED_BACK
    }


def test_losses_count_with_the_dead_letters_they_make(worker: UUID) -> None:
    (ticket,) = transitions.record([new_job()])
    for _ in range(3):
        token = Job.objects.using("ledger").get(id=ticket.id).token
        (job,) = transitions.claim([(ticket.id, token, False)], worker=worker).claimed
        transitions.lose(Hold(job.id, job.token, worker), cause="killed")
    failures.count(limit=10)
    (group,) = shown()
    assert Job.objects.using("ledger").get(id=ticket.id).fingerprint == group.fingerprint
    assert (group.day, group.letters) == (3, 1)


def test_dead_letters_that_never_ran_are_shown_too(worker: UUID) -> None:
    (ticket,) = transitions.record([new_job(task="gone")])
    interventions.bury(ticket.id, reason=Reason.UNKNOWN_TASK)
    (group,) = shown()
    assert (group.task, group.error, group.letters, group.day) == ("gone", "unknown task", 1, 0)
    alone = errors.group(group.fingerprint)
    assert alone is not None
    assert (alone.sample, alone.letters) == (ticket.id, 1)
    assert errors.samples(group.fingerprint, limit=5) == [ticket.id]
    assert errors.group("0" * 16) is None


def test_steps_of_a_chart_are_where_the_failures_were(worker: UUID) -> None:
    fail(worker)
    ago(hours=3)
    failures.count(limit=10)
    fail(worker)
    fail(worker)
    failures.count(limit=10)
    (group,) = shown()
    assert (group.hour, group.day, group.spark[-1]) == (2, 3, 2)
    assert group.spark[-7] + group.spark[-6] == 1
    assert len(group.spark) == 48
    alone = errors.group(group.fingerprint)
    assert alone is not None
    assert (len(alone.spark), alone.spark[-1] + alone.spark[-2]) == (168, 2)
    assert sum(alone.spark[-5:-2]) == 1


def test_groups_are_found_by_task_queue_text_and_time_and_sorted(worker: UUID) -> None:
    for _ in range(3):
        fail(worker, task="often", error="Timeout('slow gateway')")
    ago(days=2)
    failures.count(limit=10)
    for _ in range(2):
        fail(worker, task="again", queue="other", error="KeyError('a')")
    ago(hours=2)
    failures.count(limit=10)
    fail(worker, task="last", error="KeyError('b')")
    failures.count(limit=10)

    def tasks(**wanted: Any) -> list[str]:
        return [group.task for group in shown(**wanted)]

    assert tasks() == ["last", "again", "often"]
    assert tasks(task="again") == tasks(queue="other") == ["again"]
    assert tasks(text="GATEWAY") == tasks(text="oft") == ["often"]
    assert tasks(within=timedelta(hours=1)) == ["last"]
    assert tasks(task="nobody's") == []
    by_count, total, more = errors.groups(Wanted(), by_count=True, limit=2)
    assert ([group.task for group in by_count], total, more) == (["again", "last"], 3, False)
    rest, _, _ = errors.groups(Wanted(), by_count=True, start=2)
    assert [group.task for group in rest] == ["often"]


def test_death_between_any_two_statements_counts_each_once(worker: UUID) -> None:
    for _ in range(4):
        fail(worker)
    for statement in range(24):
        with crash_before_statement("ledger", statement % 12):
            failures.count(limit=2)
        connections["ledger"].close()
    while failures.count(limit=2):
        pass
    (group,) = shown()
    assert (group.day, Cause.objects.using("ledger").get().failures) == (4, 4)


def test_two_that_count_at_once_count_each_once(worker: UUID) -> None:
    for number in range(30):
        fail(worker, task=f"t{number % 3}")

    def count() -> int:
        try:
            total = 0
            while counted := failures.count(limit=4):
                total += counted
            return total
        finally:
            connections["ledger"].close()

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(count), threads.submit(count)
        done = first.result(60) + second.result(60)
    done += failures.count(limit=100)
    assert done == 30
    assert [group.day for group in shown()] == [10, 10, 10]


def test_counts_of_long_ago_are_deleted(worker: UUID) -> None:
    fail(worker)
    ago(days=40)
    failures.count(limit=10)
    fail(worker, task="new")
    failures.count(limit=10)
    assert failures.prune(older_than=timedelta(days=30), limit=10) == 2
    assert Cause.objects.using("ledger").get().task == "new"
    assert CauseCount.objects.using("ledger").count() == 1


def test_look_asks_as_often_for_many_groups_as_for_few(worker: UUID) -> None:
    def asked(many: int) -> int:
        for number in range(many):
            fail(worker, task=f"t{number}")
            (ticket,) = transitions.record([new_job(task=f"gone{number}")])
            interventions.bury(ticket.id, reason=Reason.UNKNOWN_TASK)
        failures.count(limit=500)
        with counted("ledger") as statements:
            found, total, _ = errors.groups(Wanted(), limit=50)
        assert total >= 2 * many
        assert found
        return len(statements)

    assert asked(2) == asked(30) <= 10


def test_who_has_the_duty_counts_what_has_failed(worker: UUID, redis_server: RedisServer) -> None:
    fail(worker)
    app = Celery("counting", broker=redis_server.url, set_as_current=False)
    relay, sweep = Crew(app, lambda: worker, Pulse()).loops
    relay.one_pass()
    sweep.one_pass()
    assert not duty.look().failures
    assert [group.day for group in shown()] == [1]
    app.outbox.publisher.close()
