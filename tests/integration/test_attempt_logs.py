"""Every attempt keeps what it has logged, with its worker, times and error; one that logs nothing costs nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
from celery.exceptions import Ignore, Reject
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext, override_settings

import holdfast
from holdfast import Rule, Snooze
from holdfast.conf import get_settings
from holdfast.exceptions import JobNotFound
from holdfast.ledger import logs, publishing, snoozing, transitions
from holdfast.ledger.models.logs import AttemptLog
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold
from holdfast.ledger.states import FINAL
from holdfast.policies.log_lines import new_lines
from holdfast.testing import HoldfastJobs
from tests.project.models import AtomicEffect
from tests.rows import RESULT, hire, new_job

logger = logging.getLogger("shop")


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let INFO through, as a worker does."""
    monkeypatch.setattr(logging.getLogger(), "level", logging.INFO)


def shown(job: Any) -> list[tuple[str, list[str]]]:
    """Return outcome and messages of each attempt."""
    return [
        (attempt.outcome, [line.partition("shop: ")[2] for line in attempt.log])
        for attempt in holdfast.attempts(job)
    ]


def leaving(self: Any, how: str) -> str:
    turn = self.request.holdfast["attempt"]
    logger.info("attempt %s", turn)
    AtomicEffect.objects.using(get_settings().database).create(job=str(turn))
    if turn == 1:
        if how == "snooze":
            raise Snooze(0, reason="closed")
        if how == "requeue":
            raise Reject("not now", requeue=True)
        if how == "retry":
            raise OSError("away")
    if how in {"ignore", "reject"}:
        raise {"ignore": Ignore(), "reject": Reject("never")}[how]
    if how == "fail":
        raise ValueError("broken")
    return how


ENDS = {
    "return": [("succeeded", ["attempt 1"])],
    "ignore": [("succeeded", ["attempt 1"])],
    "fail": [("failed", ["attempt 1"])],
    "reject": [("rejected", ["attempt 1"])],
    "retry": [("retried", ["attempt 1"]), ("succeeded", ["attempt 2"])],
    "snooze": [("snoozed", ["attempt 1"]), ("succeeded", ["attempt 2"])],
    "requeue": [("handed back", ["attempt 1"]), ("succeeded", ["attempt 2"])],
}


@pytest.mark.parametrize(
    "options",
    [{}, {"atomic": True}, {"ignore_result": True}],
    ids=["plain", "atomic", "without result"],
)
def test_attempt_keeps_its_lines_however_it_ends(
    jobs: HoldfastJobs, put: Callable[..., Any], options: dict[str, Any]
) -> None:
    task = put(leaving, retry_rules=[Rule(OSError)], **options)
    sent = {how: task.delay(how) for how in ENDS}
    jobs.drain(raise_errors=False, skip_waits=True)
    assert {how: shown(result) for how, result in sent.items()} == ENDS
    for how in ("retry", "fail"):
        first = holdfast.attempts(sent[how])[0]
        assert first.error
        assert "Traceback" in first.traceback, "also where no result is kept"


def test_coroutine_is_an_attempt_like_any_other(
    jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    async def awaiting(self: Any) -> str:
        turn = self.request.holdfast["attempt"]
        logger.info("before %s", turn)
        await asyncio.sleep(0.001)
        logger.info("after %s", turn)
        if turn == 1:
            raise OSError("away")
        if turn == 2:
            self.snooze(60)
        return "there"

    sent = put(awaiting, retry_rules=[Rule(OSError)]).delay()
    jobs.drain(skip_waits=True)
    assert sent.get() == "there"
    outcomes = ["retried", "snoozed", "succeeded"]
    assert shown(sent) == [
        (outcome, [f"before {turn}", f"after {turn}"]) for turn, outcome in enumerate(outcomes, 1)
    ]


def test_lines_go_with_what_the_job_sends_on(jobs: HoldfastJobs, put: Callable[..., Any]) -> None:
    task = put(leaving)
    linked = task.apply_async(("return",), link=task.si("return"))
    jobs.drain()
    assert shown(linked) == ENDS["return"]


def test_attempt_tells_worker_times_and_error(jobs: HoldfastJobs, put: Callable[..., Any]) -> None:
    sent = put(leaving, retry_rules=[Rule(OSError)]).delay("retry")
    jobs.drain(skip_waits=True)
    first, second = holdfast.attempts(sent.id)
    assert [first.number, second.number] == [1, 2]
    assert first.error == "OSError('away')"
    assert "Traceback" in first.traceback
    assert (second.error, second.traceback) == ("", "")
    for attempt in (first, second):
        assert attempt.worker_name
        assert attempt.started_at is not None
        assert attempt.ended_at is not None
        assert timedelta() <= attempt.ended_at - attempt.started_at < timedelta(minutes=1)


def test_attempt_that_runs_is_the_last_and_an_unknown_job_is_told(ledger: str) -> None:
    worker = hire()
    (ticket,) = transitions.record([new_job("one")])
    assert holdfast.attempts("one") == []
    transitions.claim([(ticket.id, ticket.token, False)], worker=worker)
    (running,) = holdfast.attempts("one")
    assert (running.outcome, running.worker, running.worker_name) == ("running", worker, "w")
    assert running.ended_at is None
    with pytest.raises(JobNotFound, match="never recorded"):
        holdfast.attempts("none")


def test_replayed_success_keeps_its_lines(jobs: HoldfastJobs, put: Callable[..., Any]) -> None:
    sent = put(leaving).delay("return")
    jobs.drain()
    holdfast.replay(sent)
    jobs.drain()
    assert shown(sent) == [("replayed", ["attempt 1"]), ("succeeded", ["attempt 2"])]


@pytest.mark.parametrize("stored", [RESULT, None], ids=["result", "no result"])
def test_end_of_an_attempt_without_lines_costs_no_statement_more(ledger: str, stored: Any) -> None:
    said: dict[str, int] = {}
    for text in ("", "a line"):
        hold = _running(text or "silent")
        with (
            logs.kept_with_the_end(hold, partial(str, text)),
            CaptureQueriesContext(connections[ledger]) as statements,
        ):
            assert transitions.succeed(hold, stored=stored)
        said[text] = len([s for s in statements if "PRAGMA" not in s["sql"]])
    before = _running("off")
    with CaptureQueriesContext(connections[ledger]) as statements:
        transitions.succeed(before, stored=stored)
    assert said[""] == len([s for s in statements if "PRAGMA" not in s["sql"]])
    if connections[ledger].vendor == "postgresql":
        assert said == {"": 1, "a line": 1}, "the lines go in the one statement of the end"
    assert AttemptLog.objects.using(ledger).get().text == "a line"


def test_attempt_that_lost_its_lease_writes_no_lines(ledger: str) -> None:
    hold = _running("lost")
    stale = hold._replace(token=hold.token - 1)
    with logs.kept_with_the_end(stale, lambda: "a line"):
        assert not transitions.succeed(stale, stored=RESULT)
        assert not transitions.succeed(stale, stored=None)
        assert not transitions.fail(stale, stored=None, error="e")
        assert transitions.fail(hold, stored=None, error="e"), "these are not its lines"
    assert not AttemptLog.objects.using(ledger).exists()


def test_nothing_is_kept_where_it_is_switched_off(
    ledger: str, jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    with override_settings(HOLDFAST={"database": ledger, "log_lines": 0}):
        sent = put(leaving).delay("return")
        jobs.drain()
        assert new_lines() is None
        assert shown(sent) == [("succeeded", [])]
        assert not AttemptLog.objects.using(ledger).exists()


def test_lines_leave_with_their_job(ledger: str) -> None:
    for name, leave in {
        "pruned": lambda: queries.prune_finished(states=FINAL, before=timedelta(-1), limit=10),
        "forgotten": lambda: holdfast_forget("forgotten"),
    }.items():
        hold = _running(name)
        with logs.kept_with_the_end(hold, lambda: "a line"):
            transitions.succeed(hold, stored=None)
        assert logs.of_job(name) == {1: ["a line"]}
        leave()
        assert not AttemptLog.objects.using(ledger).exists()


def holdfast_forget(job: str) -> None:
    from holdfast.ledger import interventions

    interventions.forget(job)


def test_lines_of_old_snoozes_leave_with_them(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snoozing, "SNOOZES_KEPT", 2)
    worker = hire()
    transitions.record([new_job("often")])
    for turn in range(4):
        _, token, _ = queries.state_of("often") or (0, 0, None)
        (job,) = transitions.claim([("often", token, False)], worker=worker).claimed
        hold = Hold("often", job.token, worker)
        with logs.kept_with_the_end(hold, partial(str, f"turn {turn}")):
            snoozing.snooze(hold, delay=timedelta(seconds=-5))
        publishing.publish_due(limit=10)
    assert logs.of_job("often") == {3: ["turn 2"], 4: ["turn 3"]}


def test_command_shows_attempts_with_their_lines(
    jobs: HoldfastJobs, put: Callable[..., Any]
) -> None:
    sent = put(leaving, retry_rules=[Rule(OSError)]).delay("retry")
    jobs.drain(skip_waits=True)
    out = StringIO()
    call_command("holdfast", "jobs", "show", sent.id, stdout=out)
    said = out.getvalue()
    assert "attempt 1 retried" in said
    assert "attempt 2 succeeded" in said
    assert "OSError('away')" in said
    assert "shop: attempt 2" in said
    out = StringIO()
    call_command("holdfast", "jobs", "show", sent.id, "--json", stdout=out)
    first, second = json.loads(out.getvalue())["past"]
    assert (first["outcome"], second["outcome"]) == ("retried", "succeeded")
    assert first["log"][0].endswith("shop: attempt 1")


def _running(id: str) -> Hold:
    worker = hire()
    (ticket,) = transitions.record([new_job(id)])
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    return Hold(job.id, job.token, worker)
