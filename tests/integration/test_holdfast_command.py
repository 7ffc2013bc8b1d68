"""`manage.py holdfast` as an operator uses it: its verbs, its questions, its errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from holdfast import Celery
from holdfast.ledger import audit, interventions, transitions
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold, StoredResult
from holdfast.ledger.states import Reason, State
from holdfast.management.moments import moment
from holdfast.testing.services import RedisServer
from tests.rows import FAILURE, hire, new_job
from tests.surroundings import shop_app


@pytest.fixture
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    """An app whose broker is there and empty."""
    with shop_app(redis_server.url, number=13) as app:
        yield app


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def fail(worker: UUID, *, error: str = "ValueError('x')", traceback: str = "", **more: Any) -> str:
    (ticket,) = transitions.record([new_job(**more)])
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    stored = StoredResult(
        status=FAILURE.status,
        result=FAILURE.result,
        content_type=FAILURE.content_type,
        content_encoding=FAILURE.content_encoding,
        traceback=traceback,
    )
    assert transitions.fail(Hold(job.id, job.token, worker), stored=stored, error=error)
    return ticket.id


def holdfast(*words: str) -> str:
    out = StringIO()
    call_command("holdfast", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


def state_of(id: str) -> State:
    found = queries.state_of(id)
    assert found is not None
    return State(found[0])


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """Somebody at the terminal, who types what the test writes into it."""
    typed = StringIO()
    monkeypatch.setattr(typed, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", typed)
    return typed


# -- dead letters -------------------------------------------------------------------------------------


def test_list_is_read_by_people_and_by_programs(app: Celery, worker: UUID) -> None:
    charged = app.tasks["shop.charge"].delay("4242", 7, api_token="hush")
    interventions.bury(charged.id, reason=Reason.POISON)
    refund = fail(worker, task="shop.refund")

    shown = holdfast("dead-letters", "list")
    rows = json.loads(holdfast("dead-letters", "list", "--json"))

    assert [row["id"] for row in rows] == [charged.id, refund]
    assert (rows[0]["reason"], rows[1]["error"]) == ("poison", "ValueError('x')")
    assert rows[0]["args"] == ["4242", 7]
    for id in (charged.id, refund):
        assert id in shown
    assert "hush" not in shown + json.dumps(rows)


def test_list_says_how_many_more_there_are(
    app: Celery, worker: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        fail(worker)
    call_command("holdfast", "dead-letters", "list", "--limit", "2")
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert said.err == "1 more; --limit prints more of them\n"


def test_groups_lead_to_a_replay_of_one_cause(app: Celery, worker: UUID) -> None:
    alike = [fail(worker, error=f"ValueError('{n}')") for n in range(3)]
    other = fail(worker, error="KeyError('a')")

    (group, _) = json.loads(holdfast("dead-letters", "groups", "--json"))
    said = holdfast(
        "dead-letters", "replay", "--fingerprint", group["fingerprint"], "--yes", "--actor", "ada"
    )

    assert said == "3 dead letters replayed\n"
    assert {state_of(id) for id in alike} == {State.QUEUED}
    assert state_of(other) == State.FAILED
    assert [(line.actor, line.count) for line in audit.lines()] == [("ada", 3)]
    assert group["fingerprint"] not in holdfast("dead-letters", "groups")


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_dry_run_changes_nothing(app: Celery, worker: UUID, verb: str) -> None:
    made = [fail(worker) for _ in range(3)]
    said = holdfast("dead-letters", verb, "--dry-run")
    counted = json.loads(holdfast("dead-letters", verb, "--dry-run", "--limit", "2", "--json"))
    assert said.startswith("3 dead letters would be ")
    assert counted == {"action": verb, "count": 2, "dry_run": True}
    assert {state_of(id) for id in made} == {State.FAILED}


def test_more_than_one_is_asked_for(app: Celery, worker: UUID, somebody: StringIO) -> None:
    made = [fail(worker) for _ in range(2)]
    somebody.write("no\nyes\n")
    somebody.seek(0)
    with pytest.raises(CommandError, match="Nothing was changed"):
        holdfast("dead-letters", "discard")
    assert {state_of(id) for id in made} == {State.FAILED}
    holdfast("dead-letters", "discard")
    assert {state_of(id) for id in made} == {State.CANCELLED}


def test_script_that_forgets_to_say_yes_is_told_so(
    app: Celery, worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [fail(worker) for _ in range(2)]
    monkeypatch.setattr(sys, "stdin", StringIO())
    with pytest.raises(CommandError, match="say --yes"):
        holdfast("dead-letters", "replay")
    assert {state_of(id) for id in made} == {State.FAILED}


def test_one_job_is_replayed_without_a_question_and_with_other_arguments(app: Celery) -> None:
    sent = app.tasks["shop.charge"].delay("4242", 7)
    interventions.bury(sent.id, reason=Reason.POISON)
    holdfast("dead-letters", "replay", "--id", sent.id, "--args", '["4242", 8]')
    assert state_of(sent.id) == State.QUEUED
    assert json.loads(holdfast("jobs", "show", sent.id, "--json"))["call"]["args"] == ["4242", 8]


def test_nothing_selected_is_no_error_unless_the_task_is_a_slip(app: Celery, worker: UUID) -> None:
    assert holdfast("dead-letters", "replay") == "No dead letters are selected.\n"
    assert json.loads(holdfast("dead-letters", "list", "--json")) == []
    fail(worker, task="shop.refund")
    with pytest.raises(CommandError, match=r"did you mean 'shop\.refund'"):
        holdfast("dead-letters", "list", "--task", "shop.refud")


# -- one job ------------------------------------------------------------------------------------------


def test_show_tells_all_but_secrets(app: Celery, worker: UUID) -> None:
    charged = app.tasks["shop.charge"].delay("4242", 7, api_token="hush")
    (job,) = transitions.claim([(charged.id, 1, False)], worker=worker).claimed
    traceback = 'Traceback (most recent call last):\n  File "/srv/shop.py", line 3, in charge\n'
    stored = StoredResult(
        status="FAILURE",
        result=b"{}",
        content_type="application/json",
        content_encoding="utf-8",
        traceback=traceback,
    )
    transitions.fail(Hold(job.id, job.token, worker), stored=stored, error="ValueError('x')")
    edited = ["--kwargs", '{"api_token": "other"}']
    holdfast("dead-letters", "replay", "--id", charged.id, "--actor", "ada", *edited)

    for words in (("jobs", "show"), ("dead-letters", "show")):
        shown = holdfast(*words, charged.id)
        assert "'4242', 7, api_token='****" in shown
        assert "attempt 1 failed" in shown
        assert 'File "/srv/shop.py", line 3, in charge' in shown
        assert "ada" in shown
        told = json.loads(holdfast(*words, charged.id, "--json"))
        assert told["state"] == "queued"
        assert [line["action"] for line in told["audit"]] == ["replay", "edit"]
        assert "hush" not in shown + json.dumps(told)
        assert "aHVzaA" not in json.dumps(told), "nor in the payload that the audit keeps"


def test_show_of_an_unknown_job_says_so(app: Celery) -> None:
    with pytest.raises(CommandError, match="not in the ledger"):
        holdfast("jobs", "show", "nobody")


def test_cancel_says_what_became_of_each(app: Celery, worker: UUID) -> None:
    waiting = transitions.record([new_job()])[0].id
    failed = fail(worker)
    said = holdfast("cancel", waiting, failed, "--yes", "--actor", "bob")
    assert said.splitlines() == [
        f"{waiting} is cancelled",
        f"{failed} is failed (it had finished before)",
    ]
    assert [(line.job, line.actor) for line in audit.lines()] == [(waiting, "bob")]


def test_cancel_of_an_unknown_job_cancels_none(app: Celery) -> None:
    waiting = transitions.record([new_job()])[0].id
    with pytest.raises(CommandError, match="nothing was cancelled: nobody"):
        holdfast("cancel", waiting, "nobody", "--yes")
    assert state_of(waiting) == State.QUEUED


def test_cancel_may_spare_what_runs(app: Celery, worker: UUID) -> None:
    tickets = transitions.record([new_job(), new_job()])
    running, waiting = tickets
    transitions.claim([(running.id, running.token, False)], worker=worker)
    ids = [running.id, waiting.id]
    states = json.loads(holdfast("cancel", *ids, "--yes", "--keep-running", "--json"))
    assert states == {running.id: "running", waiting.id: "cancelled"}


def test_replay_does_what_it_can_and_says_what_it_could_not(app: Celery, worker: UUID) -> None:
    failed, waiting = fail(worker), transitions.record([new_job()])[0].id
    with pytest.raises(CommandError, match=f"{waiting} cannot be replayed"):
        holdfast("replay", waiting, failed, "--yes")
    assert state_of(failed) == State.QUEUED


# -- slips --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["dead-leters", "list"], "did you mean 'dead-letters'"),
        (["dead-letters", "grops"], "did you mean 'groups'"),
        (["dead-letters", "list", "--taks", "t"], "did you mean '--task'"),
        (["dead-letters", "list", "--zzz"], "--help shows"),
        (["dead-letters", "list", "--reason", "poisson"], "did you mean 'poison'"),
        (["dead-letters", "list", "--since", "yesterday"], "'yesterday' is no time"),
        (["dead-letters", "replay", "--args", "{}"], r"write \[\"a\", 1\]"),
        (["dead-letters", "replay", "--kwargs", "{"], "is no JSON"),
    ],
)
def test_slip_is_answered_with_the_repair(app: Celery, words: list[str], hint: str) -> None:
    with pytest.raises(CommandError, match=hint):
        holdfast(*words)


def test_options_of_django_are_taken_after_a_verb_too(app: Celery) -> None:
    assert holdfast("dead-letters", "list", "--no-color", "--traceback").startswith("No dead")


def test_times_are_read_as_they_are_said() -> None:
    now = timezone.now()
    assert abs(moment("90m") - (now - timedelta(minutes=90))) < timedelta(seconds=5)
    assert moment("2026-01-31T12:00+00:00").isoformat() == "2026-01-31T12:00:00+00:00"
    assert moment("2026-01-31").tzinfo is not None
