"""Jobs of attempts that were cut off go back many at once: each by its own rules, all with few statements."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from holdfast.conf import get_settings
from holdfast.ledger import interventions, transitions, workers
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.records import Hold
from holdfast.ledger.returns import MOST, Cut, put_back
from holdfast.ledger.states import Outcome, State
from tests.rows import hire, new_job

MANY = 2 * MOST + 1


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def _run(worker: UUID, count: int, *, ahead: bool = False) -> list[Hold]:
    """Bring jobs to where their bodies run."""
    tickets = transitions.record([new_job(f"job-{number:04}") for number in range(count)])
    asked = [(ticket.id, ticket.token, ahead) for ticket in tickets]
    return [
        Hold(job.id, job.token, worker) for job in transitions.claim(asked, worker=worker).claimed
    ]


def _row(hold: Hold) -> tuple[Any, ...]:
    rows = Job.objects.using(get_settings().database)
    state, *rest = rows.values_list("state", "token", "losses", "suspect", "worker").get(id=hold.id)
    return (State(state).name, *rest)


def _attempts(hold: Hold) -> list[tuple[int, str, str]]:
    rows = Attempt.objects.using(get_settings().database).filter(job=hold.id)
    return list(rows.values_list("number", "outcome", "error"))


def _rescue(holds: list[Hold]) -> set[str]:
    Job.objects.using(get_settings().database).filter(id__in=[h.id for h in holds]).update(
        worker=None
    )
    lapsed, worker_of = workers.lapsed_jobs(limit=len(holds))
    of = {hold.id: hold.worker for hold in holds}
    Job.objects.using(get_settings().database).update(worker=holds[0].worker)
    return {
        ticket.id
        for ticket in interventions.rescue(lapsed, worker_of={id: of[id] for id in worker_of})
    }


def test_worker_that_is_gone_loses_all_its_jobs_by_few_statements(
    ledger: str, worker: UUID
) -> None:
    holds = _run(worker, MANY)
    with CaptureQueriesContext(connections[ledger]) as seen:
        assert _rescue(holds) == {hold.id for hold in holds}
    assert len(seen) < MANY / 4
    for hold in (holds[0], holds[MOST], holds[-1]):
        assert _row(hold) == ("QUEUED", hold.token + 1, 1, True, None)
        assert _attempts(hold) == [(1, Outcome.LOST, "its worker's lease ran out")]


def test_claimed_ahead_of_a_slot_is_no_loss_of_the_job(worker: UUID) -> None:
    (hold,) = _run(worker, 1, ahead=True)
    assert _rescue([hold]) == {hold.id}
    assert _row(hold) == ("QUEUED", hold.token + 1, 0, True, None)


def test_each_goes_its_own_way(worker: UUID) -> None:
    plain, asked, last, moved_on = holds = _run(worker, 4)
    interventions.cancel([asked.id], running=False, ask=True)
    rows = Job.objects.using(get_settings().database)
    rows.filter(id=last.id).update(losses=get_settings().max_lost_attempts - 1)
    assert transitions.succeed(moved_on, stored=None)
    back = put_back(
        [Cut(hold, counts=True) for hold in holds], outcome=Outcome.LOST, error="it was killed"
    )
    assert [(ticket.id, ticket.token) for ticket in back.tickets] == [(plain.id, plain.token + 1)]
    assert {one.hold for one in back.apart} == {asked, last}
    assert [one.hold for one in back.missed] == [moved_on]
    for untouched in (asked, last):
        assert _row(untouched)[:2] == ("RUNNING", untouched.token)
        assert _attempts(untouched) == []


def test_hand_back_brings_those_asked_to_stop_to_their_end(worker: UUID) -> None:
    holds = _run(worker, MOST + 2)
    interventions.cancel([holds[1].id], running=False, ask=True)
    tickets = transitions.hand_back(holds, cause="the worker is stopping")
    assert {ticket.id for ticket in tickets} == {h.id for h in holds} - {holds[1].id}
    assert _row(holds[1])[0] == "CANCELLED"
    assert _row(holds[-1]) == ("QUEUED", holds[-1].token + 1, 0, False, None)
    assert _attempts(holds[-1]) == [(1, Outcome.HANDED_BACK, "the worker is stopping")]
    assert transitions.hand_back(holds, cause="once more") == []
