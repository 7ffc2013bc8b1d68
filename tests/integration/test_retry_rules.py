"""Retry rules hold in the ledger: what they count, how long a job waits, and how it ends; on both databases."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from unittest import mock

import pytest
from celery import Task, chain
from celery.exceptions import Ignore, Reject
from django.db import OperationalError
from django.db.models.functions import Now

from holdfast import Celery, Never, Rule, Snooze, replay
from holdfast.exceptions import Aborted, AttemptLost, ConfigurationError, HoldfastError
from holdfast.ledger import transitions
from holdfast.ledger.database import dialect
from holdfast.ledger.holds import hold_from
from holdfast.ledger.models import Attempt, Job, Payload
from holdfast.ledger.states import State
from holdfast.testing import HoldfastJobs
from tests.project.models import AtomicEffect
from tests.project.shopping import open_shop

CLOSED = {"Retry-After": "1800"}


def job_of(ledger: str, id: str) -> Job:
    return Job.objects.using(ledger).get(id=id)


def due_within(ledger: str, id: str, low: float, high: float) -> bool:
    """Tell by the ledger's clock whether a job is due after so many seconds."""
    return (
        Job.objects.using(ledger)
        .filter(id=id, due_at__gt=Now() + timedelta(seconds=low))
        .filter(due_at__lt=Now() + timedelta(seconds=high))
        .exists()
    )


def raising(self: Any, *names: str) -> str:
    """Raise the error of this attempt's number; return when there is none left."""
    turn = self.request.retries
    if turn < len(names):
        raise {"connect": ConnectionError, "value": ValueError, "os": OSError}[names[turn]](turn)
    return f"after {turn}"


@pytest.mark.parametrize("atomic", [False, True])
def test_each_rule_counts_for_itself_and_the_job_ends_as_they_say(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any], atomic: bool
) -> None:
    rules = [Rule(ConnectionError, max=2, backoff=60), Rule(OSError, max=1), Never(ValueError)]
    task = put(raising, retry_rules=rules, atomic=atomic)
    well = task.delay("connect", "os", "connect")
    used_up = task.delay("os", "os")
    never = task.delay("connect", "os", "connect", "value")
    unheard = put(raising, name="unheard", retry_rules=rules[:1]).delay("value")

    jobs.drain(raise_errors=False, skip_waits=True)

    assert well.get() == "after 3"
    ends = {sent.id: job_of(ledger, sent.id) for sent in (used_up, never, unheard)}
    assert [(row.state, row.reason, row.failures) for row in ends.values()] == [
        (State.FAILED, "retries exhausted", 2),
        (State.FAILED, "error", 4),
        (State.FAILED, "error", 1),
    ]
    kept = Attempt.objects.using(ledger).filter(job=never.id).order_by("id")
    assert [row.outcome for row in kept] == ["retried", "retried", "retried", "failed"]
    assert kept[0].error == "ConnectionError(0)"
    assert "raise {" in kept[0].traceback, "where it was raised"


def test_rules_are_not_asked_about_what_is_no_error(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    def leaving(self: Any, how: str) -> None:
        if how == "retry":
            raise self.retry(countdown=3600)
        if self.request.holdfast["attempt"] == 1:
            raise {
                "ignore": Ignore(),
                "reject": Reject("never"),
                "snooze": Snooze(3600),
                "abort": Aborted(),
                "lost": AttemptLost(self.request.id, 1),
            }[how]

    task = put(leaving, retry_rules=[Rule(Exception)])
    sent = {
        how: task.delay(how) for how in ("ignore", "reject", "snooze", "abort", "lost", "retry")
    }
    with contextlib.suppress(HoldfastError):  # the end of the lost one is not recorded
        jobs.drain(raise_errors=False)
    jobs.drain(raise_errors=False)
    failures = {how: job_of(ledger, result.id).failures for how, result in sent.items()}
    assert failures == {how: int(how == "retry") for how in sent}


def test_counts_and_waits_lie_in_the_ledger(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    rule = Rule(OSError, backoff=1000, backoff_max=3600, jitter=False)
    sent = put(raising, retry_rules=[rule]).delay("connect", "connect")

    jobs.drain()
    row = job_of(ledger, sent.id)
    assert (row.state, row.hold, row.failures) == (State.HELD, "retry", 1)
    assert due_within(ledger, sent.id, 900, 1001)
    assert sent.state == "RETRY"
    headers = json.loads(Payload.objects.using(ledger).get(job=sent.id).headers)
    assert (headers["holdfast_retried"], headers["retries"]) == ({rule.key: 1}, 1)

    jobs.travel(timedelta(seconds=1001))
    jobs.drain()
    assert due_within(ledger, sent.id, 1900, 2001)


def test_max_retries_of_the_task_holds_where_somebody_set_it(
    jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    class Patient(Task):  # type: ignore[misc]  # see pyproject.toml
        abstract = True
        max_retries = 5

    rules = [Rule(OSError, max=None)]
    often = ["os"] * 9
    limits = {"own": put(raising, name="own", retry_rules=rules, max_retries=4)}
    limits["base"] = put(raising, name="base", retry_rules=rules, base=Patient)
    limits["none"] = put(raising, name="none", retry_rules=rules)
    for task in limits.values():
        task.delay(*often)
    jobs.drain(raise_errors=False, skip_waits=True)
    assert {job.task: job.attempts for job in jobs.recorded()} == {"own": 5, "base": 6, "none": 10}


def test_rules_of_a_call_take_the_place_of_the_tasks_and_travel_everywhere(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    task = put(raising, retry_rules=[Never(Exception)])
    after = put(raising, name="after", retry_rules=[Never(Exception)])
    rules = [Rule(OSError, max=2)]
    sent = {
        "call": task.apply_async(("os", "os"), retry_rules=rules),
        "many": task.apply_many([("os",), ("os",)], retry_rules=rules)[1],
        "chain": chain(task.si(), task.si("os").set(retry_rules=rules)).apply_async(),
        "by name": task.app.send_task("raising", ("os",), retry_rules=rules),
        "none": task.apply_async(("os",), retry_rules=[]),
        "link": task.apply_async(("os",), retry_rules=rules, link=after.si("os")),
    }
    jobs.drain(raise_errors=False, skip_waits=True)

    found = {name: job_of(ledger, result.id).state for name, result in sent.items()}
    assert found.pop("none") == State.FAILED
    assert set(found.values()) == {State.SUCCEEDED}
    (linked,) = Job.objects.using(ledger).filter(task="after")
    assert (linked.state, linked.failures) == (State.FAILED, 1), "the rules are the call's alone"


def test_call_with_rules_that_cannot_travel_is_refused_and_nothing_is_recorded(
    jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    task = put(raising)
    auto = put(raising, name="auto", autoretry_for=(OSError,))
    with pytest.raises(ConfigurationError, match="do not travel"):
        task.apply_async(("os",), retry_rules=[Rule(OSError, after=lambda error: 1)])
    with pytest.raises(ConfigurationError, match="Give a list"):
        task.apply_async(("os",), retry_rules=Rule(OSError))
    with pytest.raises(ConfigurationError, match="autoretry_for and retry_rules"):
        auto.apply_async(("os",), retry_rules=[Rule(OSError)])
    jobs.assert_not_recorded()


def test_retry_after_of_a_real_server_is_waited_for(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    def fetch(self: Any, url: str) -> int:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)

    task = put(fetch, retry_rules=[Rule(OSError, backoff=5, retry_after_max=3600)])
    date = format_datetime(dialect().now() + timedelta(minutes=30), usegmt=True)
    far = format_datetime(dialect().now() + timedelta(days=9), usegmt=True)
    past = format_datetime(dialect().now() - timedelta(days=9), usegmt=True)
    answers = [CLOSED, {"Retry-After": date}, {"Retry-After": far}, {"Retry-After": "next week"}]
    # From, to: the backoff of 5 s, doubled each time, comes on top.
    bounds = [(1790, 1806), (1780, 1811), (3590, 3621), (-1, 41)]
    with open_shop(*[(429, said) for said in answers], (503, {"Retry-After": past})) as shop:
        sent = task.apply_async((shop.url,), retry_rules=[Rule(OSError, max=9, backoff=5)])
        for low, high in bounds:
            jobs.drain()
            assert due_within(ledger, sent.id, low, high), (
                low,
                high,
                job_of(ledger, sent.id).due_at,
            )
            jobs.travel(timedelta(hours=2))
        assert jobs.drain(skip_waits=True) == 2
    assert sent.get() == 200
    assert shop.asked == len(answers) + 2


def test_date_is_measured_by_the_ledgers_clock_and_not_by_the_workers(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    ahead = dialect().now() + timedelta(days=1)
    later = ahead + timedelta(minutes=10)

    def refused(self: Any) -> None:
        error = ValueError("closed")
        vars(error).update(retry_after=later)
        raise error

    sent = put(refused, retry_rules=[Rule(ValueError, backoff=0)]).delay()
    # The ledger's clock says it is tomorrow; that of this process does not.
    with mock.patch.object(type(dialect()), "now", return_value=ahead):
        jobs.drain()
    assert due_within(ledger, sent.id, 590, 601)


def test_moment_named_by_the_tasks_own_function_is_kept_as_it_is(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    monday = datetime(2036, 3, 3, 6, tzinfo=UTC)
    sent = put(raising, retry_rules=[Rule(OSError, after=lambda error: monday)]).delay("os")
    jobs.drain()
    assert job_of(ledger, sent.id).due_at == monday


def test_replay_begins_the_counts_anew(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    sent = put(raising, retry_rules=[Rule(OSError, max=1)]).delay("os", "os", "os")
    for _ in range(2):
        jobs.drain(raise_errors=False, skip_waits=True)
        row = job_of(ledger, sent.id)
        assert (row.state, row.failures) == (State.FAILED, 2)
        replay(sent.id)
    assert job_of(ledger, sent.id).attempts == 4


def test_attempt_that_lost_its_lease_is_not_cleaned_up_after(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    cleaned: list[int] = []

    class Cleaning(Task):  # type: ignore[misc]  # see pyproject.toml
        abstract = True

        def on_failure(self, *_: Any) -> None:
            cleaned.append(self.request.holdfast["attempt"])

    def losing(self: Any) -> None:
        if self.request.holdfast["attempt"] == 1:
            transitions.lose(hold_from(self.request), cause="frozen")  # type: ignore[arg-type]  # it has one
        raise ValueError("no")

    sent = put(losing, base=Cleaning, retry_rules=[Never(Exception)]).delay()
    jobs.drain(raise_errors=False)
    assert job_of(ledger, sent.id).state == State.FAILED
    assert cleaned == [2], "the first attempt was nobody's any more"


def test_failure_that_could_not_be_recorded_is_not_cleaned_up_after(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned: list[int] = []

    class Cleaning(Task):  # type: ignore[misc]  # see pyproject.toml
        abstract = True

        def on_failure(self, *_: Any) -> None:
            cleaned.append(self.request.holdfast["attempt"])

    def failing(self: Any) -> None:
        raise ValueError("no")

    sent = put(failing, base=Cleaning).delay()
    monkeypatch.setattr("holdfast.lineage.PATIENCE_SECONDS", 0.1)
    away = mock.patch.object(transitions, "fail", side_effect=OperationalError("away"))
    with away, pytest.raises(HoldfastError, match="could not be recorded"):
        jobs.drain()
    assert cleaned == [], "the job has not failed: it runs again"
    jobs.drain(raise_errors=False)
    assert job_of(ledger, sent.id).state == State.FAILED
    assert cleaned == [2]


def test_error_in_a_rolled_back_body_is_retried_with_nothing_written(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    def writing(self: Any) -> None:
        AtomicEffect.objects.using(ledger).create(job=str(self.request.retries))
        if self.request.retries == 0:
            raise OSError

    put(writing, atomic=True, retry_rules=[Rule(OSError)]).delay()
    jobs.drain(skip_waits=True)
    assert list(AtomicEffect.objects.using(ledger).values_list("job", flat=True)) == ["1"]


def test_task_says_what_its_rules_make_of_an_error(
    jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    task = put(raising, retry_rules=[Rule(OSError, max=3, backoff=2, jitter=False)])
    said = "TimeoutError: rule 1 of 1, Rule(OSError, max=3, backoff=2, backoff_max=600): "
    assert task.explain_retry(TimeoutError()) == said + "retry 1 of 3 in 2 s (backoff)"
    assert "no retry rules" in put(raising, name="other").explain_retry(TimeoutError())


def test_inline_call_is_retried_by_its_rules_at_once(app: Celery, put: Callable[..., Any]) -> None:
    task = put(raising, retry_rules=[Rule(OSError, max=2, backoff=600)])
    assert task.apply(("os", "os")).get() == "after 2"
    assert isinstance(task.apply(("os", "os", "os")).result, OSError)
