"""Dead letters that real workers left: their reasons and causes, and thousands of them put back to work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from celery import chain
from django.db.models import F
from django.db.models.functions import Now

import holdfast
from holdfast import dead_letters
from holdfast.ledger import audit
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.states import Reason, State
from tests.eventually import eventually
from tests.harness import Site, new_site

# Each database and each death once in short; the other two pairs with `soak`.
LONG = {("sqlite", "before its commit"), ("postgres", "before its publication")}


def is_short(*, empty_site: str = "", death: str = "", **_: object) -> bool:
    return (empty_site, death) not in LONG


@pytest.fixture(params=["sqlite", "postgres"])
def empty_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture(scope="module", params=["sqlite-prefork", "postgres-threads"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = str(request.param).partition("-")
    with new_site(database, request) as site:
        site.worker(pool=pool)
        yield site


@pytest.fixture
def at_work(site: Site) -> Site:
    site.empty()
    return site


def reasons(site: Site) -> dict[str, str]:
    site.wait_all_final()
    return {letter.id: letter.reason for letter in dead_letters.filter()}


def test_reason_says_why_nothing_more_is_tried(at_work: Site) -> None:
    leave, autoretry = at_work.task("leave"), at_work.task("autoretry")
    sent = {
        leave.delay("raise", "at once").id: Reason.ERROR,
        autoretry.delay("a", until=9).id: Reason.RETRIES_EXHAUSTED,
        leave.delay("retry, exhausted", "c").id: Reason.RETRIES_EXHAUSTED,
        leave.delay("retry, exhausted bare", "d").id: Reason.RETRIES_EXHAUSTED,
        leave.delay("reject", "e").id: Reason.REJECTED,
        leave.delay("ignore after failure", "f").id: Reason.ERROR,
        at_work.app.send_task("nobody.knows").id: Reason.UNKNOWN_TASK,
    }
    autoretry.delay("b", until=1)
    assert reasons(at_work) == sent


def test_failure_of_a_replacement_is_told_from_other_errors(at_work: Site) -> None:
    replaced = at_work.task("leave").delay("replace by chain, failing", "replaced")
    found = reasons(at_work)
    assert found.pop(replaced.id) == Reason.REPLACEMENT_FAILED
    assert list(found.values()) == [Reason.ERROR], "the step that failed"


@pytest.mark.parametrize("task", ["leave", "leave_silent", "leave_atomic"])
def test_what_fails_alike_is_one_group_whatever_it_says(at_work: Site, task: str) -> None:
    alike = [at_work.task(task).delay("raise", f"value {n}").id for n in range(3)]
    other = at_work.task(task).delay("raise awkward", "another").id
    at_work.wait_all_final()

    groups = dead_letters.filter().groups()

    assert [group.count for group in groups] == [3, 1]
    assert {letter.id for letter in dead_letters.filter(fingerprint=groups[0].fingerprint)} == set(
        alike
    )
    assert "value" in groups[0].error
    (past,) = Attempt.objects.using(at_work.alias).filter(job=other)
    assert "_raise_awkward" in past.traceback, "kept also where no result is"


def test_replayed_job_has_its_retries_again(at_work: Site) -> None:
    sent = at_work.task("autoretry").delay("again", until=3)
    at_work.wait_all_final()
    assert at_work.effects().count("start again") == 3

    assert dead_letters.filter(reason="retries exhausted").replay(actor="ada") == 1

    at_work.wait_all_final()
    assert at_work.effects().count("start again") == 6
    assert dead_letters.filter(ids=[sent.id], reason="retries exhausted").count() == 1


def test_discarded_job_is_told_as_given_up(at_work: Site) -> None:
    sent = at_work.task("leave").delay("raise", "no good")
    at_work.wait_all_final()
    dead_letters.filter().discard(actor="ada")
    assert (sent.state, str(sent.result)) == ("REVOKED", "discarded")
    holdfast.replay(sent.id)
    at_work.wait_all_final()
    assert at_work.result(sent.id).state == "FAILURE"


def test_edited_job_runs_with_the_new_arguments_and_sends_on_what_it_was_to(at_work: Site) -> None:
    step = at_work.task("after").s("a chain")
    sent = chain(at_work.task("leave").s("raise", "edited"), step, app=at_work.app).delay()
    at_work.wait_all_final()
    failed = sent.parent.id

    chosen = dead_letters.filter(ids=[failed])
    assert chosen.replay(actor="ada", args=["return", "edited"]) == 1

    eventually(lambda: "after a chain" in at_work.effects())
    assert at_work.states()[failed] == "succeeded"


# What a process does that is killed: at its seventh batch, inside the transaction or right behind it.
DEATHS = {
    "before its commit": "audit, 'note'",
    "before its publication": "app.outbox, 'publish'",
}
_REPLAY = """
import os, signal
from django.core.management import call_command
from holdfast.ledger import audit
batches = []
def last_of(where, name):
    known = getattr(where, name)
    def call(*args, **kwargs):
        batches.append(1)
        if len(batches) == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return known(*args, **kwargs)
    setattr(where, name, call)
last_of({point})
call_command("holdfast", "dead-letters", "replay", "--yes")
"""


@pytest.mark.slow
@pytest.mark.parametrize("many", [4_000, pytest.param(10_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("death", sorted(DEATHS))
def test_thousands_replayed_by_a_process_that_is_killed_run_once_each(
    empty_site: Site, death: str, many: int
) -> None:
    site = empty_site
    site.task("noop").apply_many([()] * many)
    rows: Any = Job.objects.using(site.alias)
    rows.update(state=State.DEAD, reason="poison", token=F("token") + 1, finished_at=Now())
    site.redis().flushdb()

    killed = site.process(_REPLAY.format(point=DEATHS[death]))
    assert killed.wait(60) == -signal.SIGKILL, killed.log_tail()
    committed = 6 * dead_letters.BATCH + (dead_letters.BATCH if "publication" in death else 0)
    assert site.counts() == {"queued": committed, "dead": many - committed}

    said = site.django("holdfast", "dead-letters", "replay", "--yes")
    assert said == f"{many - committed} dead letters replayed\n"
    assert site.counts() == {"queued": many}
    assert sum(line.count or 0 for line in audit.lines()) == many, "each was replayed once"

    site.worker(pool="threads", concurrency=8)
    states = site.wait_all_final(180)
    assert set(states.values()) == {"succeeded"}
    assert not rows.exclude(attempts=1).exists(), "each ran once"
