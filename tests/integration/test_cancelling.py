"""The wish that a running job may stop: who hears it, and what becomes of its job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

import holdfast
from holdfast.exceptions import Aborted
from holdfast.ledger import audit, interventions, transitions, wishes
from holdfast.ledger.connections.aside import in_thread
from holdfast.ledger.database import alias
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold
from holdfast.ledger.states import Outcome, State
from holdfast.ledger.wishes import Standing
from holdfast.lineage import running
from holdfast.policies import aborting
from tests.rows import FAILURE, hire, new_job
from tests.wishing import ask, claim, run_one, state_of


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def test_wish_stands_on_a_running_job_from_the_first_time_it_was_asked(worker: UUID) -> None:
    hold = run_one(worker)
    assert wishes.standing(hold) is Standing.WANTED

    ask(hold, actor="ada")
    first = Job.objects.using(alias()).get(id=hold.id).cancel_asked_at
    ask(hold, actor="ada")

    assert wishes.standing(hold) is Standing.ASKED_TO_STOP
    assert wishes.asked_among([hold.id, "another"]) == {hold.id}
    assert Job.objects.using(alias()).get(id=hold.id).cancel_asked_at == first
    assert [line.action for line in audit.lines(job=hold.id)] == ["ask to stop"]
    assert state_of(hold.id) is State.RUNNING


def test_waiting_job_is_cancelled_at_once_and_an_ended_one_left_alone(worker: UUID) -> None:
    (ticket,) = transitions.record([new_job()])
    done = run_one(worker)
    transitions.succeed(done, stored=None)
    interventions.cancel([ticket.id, done.id], running=False, ask=True)
    assert [state_of(ticket.id), state_of(done.id)] == [State.CANCELLED, State.SUCCEEDED]


def _retry(hold: Hold) -> Any:
    return transitions.retry(
        hold, job=new_job(hold.id, body=b"[2]", delay_seconds=None), stored=None, error="e"
    )


@pytest.mark.parametrize(
    ("leave", "state", "outcome"),
    [
        (_retry, State.CANCELLED, Outcome.RETRIED),
        (
            lambda hold: transitions.hand_back([hold], cause="stop"),
            State.CANCELLED,
            Outcome.HANDED_BACK,
        ),
        (lambda hold: transitions.lose(hold, cause="died"), State.CANCELLED, Outcome.LOST),
        (
            lambda hold: not transitions.fail(hold, stored=FAILURE, error="e"),
            State.FAILED,
            Outcome.FAILED,
        ),
        (lambda hold: not transitions.succeed(hold, stored=None), State.SUCCEEDED, None),
    ],
    ids=["retry", "hand back", "lose", "fail", "succeed"],
)
def test_job_that_was_asked_to_stop_ends_and_never_goes_on(
    worker: UUID, leave: Callable[[Hold], Any], state: State, outcome: str | None
) -> None:
    hold = run_one(worker, linked=True)
    ask(hold)

    assert not leave(hold), "there is nothing to publish"

    row = Job.objects.using(alias()).get(id=hold.id)
    assert row.state == state
    assert row.finished_at is not None
    assert row.cancel_asked_at is not None
    # Those who wait for a job that its own attempt did not end are told by the settler.
    assert row.unsettled == (state is State.CANCELLED)
    past = Attempt.objects.using(alias()).filter(job=hold.id)
    assert list(past.values_list("outcome", flat=True)) == ([outcome] if outcome else [])
    message = queries.message_of(hold.id)
    assert message is not None
    assert message[2] == b"[]", "what it would have been called with next is not kept"


def test_job_that_was_asked_to_stop_is_not_replaced(worker: UUID) -> None:
    hold = run_one(worker)
    ask(hold)
    with pytest.raises(Aborted):
        transitions.await_replacement(hold)
    assert state_of(hold.id) is State.RUNNING
    assert transitions.revoke(hold)


def test_replay_forgets_the_wish(worker: UUID) -> None:
    hold = run_one(worker)
    ask(hold)
    transitions.hand_back([hold], cause="stop")
    ticket = interventions.replay(hold.id)
    assert ticket is not None
    assert wishes.standing(claim(ticket.id, ticket.token, worker)) is Standing.WANTED


# -- the look -----------------------------------------------------------------------------------------


def test_ledger_is_asked_once_a_second_at_most(
    ledger: str, worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(aborting, "monotonic", lambda: clock[0])
    hold = run_one(worker)
    with running(hold), CaptureQueriesContext(connections[ledger]) as asked:
        assert not any(holdfast.is_aborted() for _ in range(50))
        assert len(asked) == 1
        clock[0] = 0.99
        assert not holdfast.is_aborted()
        assert len(asked) == 1
        clock[0] = 1.0
        assert not holdfast.is_aborted()
        assert len(asked) == 2
    ask(hold)
    with running(hold):
        # A new attempt of this process asks at once.
        with CaptureQueriesContext(connections[ledger]) as asked:
            assert all(holdfast.is_aborted() for _ in range(50))
        assert len(asked) == 1
        clock[0] = 5.0
        with CaptureQueriesContext(connections[ledger]) as asked:
            assert holdfast.is_aborted(), "once true it stays true"
        assert not asked


def test_attempt_that_lost_its_job_is_told(worker: UUID) -> None:
    hold = run_one(worker)
    interventions.cancel([hold.id], running=True)
    with running(hold):
        assert holdfast.is_aborted()


def test_nobody_is_aborted_outside_of_attempts(ledger: str) -> None:
    with CaptureQueriesContext(connections[ledger]) as asked:
        assert not holdfast.is_aborted()
    assert not asked


@pytest.mark.parametrize("isolation", ["", "REPEATABLE READ"])
def test_wish_is_seen_inside_a_transaction_and_leaves_it_whole(
    ledger: str, worker: UUID, isolation: str
) -> None:
    if connections[ledger].vendor == "sqlite":
        pytest.skip("the transaction holds the only writer: nobody can ask meanwhile")
    hold = run_one(worker)
    with running(hold), transaction.atomic(using=ledger):
        with connections[ledger].cursor() as cursor:
            if isolation:
                cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
            cursor.execute("SELECT count(*) FROM holdfast_job")
        in_thread(lambda: ask(hold))
        assert holdfast.is_aborted()
        transitions.record([new_job("of the body")])
    assert state_of("of the body") is State.QUEUED


def test_ledger_that_does_not_answer_changes_nothing(
    ledger: str, worker: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    from django.db import OperationalError

    hold = run_one(worker)
    with (
        running(hold),
        mock.patch.object(wishes, "standing", side_effect=OperationalError("gone")),
    ):
        assert not holdfast.is_aborted()
    assert f"Job {hold.id}: whether it is still wanted cannot be asked" in caplog.text


# -- Celery's words for it ----------------------------------------------------------------------------
