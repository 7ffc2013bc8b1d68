"""How jobs come to wait at a limit, go on, and give back what they had, asked of the ledger itself."""

from __future__ import annotations

from uuid import UUID

import pytest

from holdfast.ledger import interventions, publishing, transitions
from holdfast.ledger.limiting import admission, limits, lines
from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import Use
from holdfast.ledger.states import Outcome, State
from tests.eventually import eventually
from tests.limited import admit, bound, places, run, state, wait
from tests.rows import hire, new_job


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def test_limited_job_is_recorded_as_waiting_and_is_not_due(worker: UUID) -> None:
    wait("a")
    assert state("a") == (State.HELD, "limit")
    assert publishing.publish_due(limit=10) == []
    assert limits.line_up_due(limit=10) == 0


def test_as_many_are_under_way_as_the_limit_says(worker: UUID) -> None:
    bound(concurrency=2)
    for id in "abcd":
        wait(id)
    assert admit() == ["a", "b"]
    assert admit() == []

    hold = run(worker, "a")
    assert admit() == []
    assert transitions.succeed(hold, stored=None)
    assert admit() == ["c"]


@pytest.mark.parametrize("way", ["fail", "retry", "reject", "cancel", "snooze", "forget"])
def test_whatever_way_a_job_leaves_the_next_one_goes_on(worker: UUID, way: str) -> None:
    bound(concurrency=1)
    wait("a")
    wait("b")
    assert admit() == ["a"]
    hold = run(worker, "a")
    if way == "fail":
        transitions.fail(hold, stored=None, error="e")
    elif way == "retry":
        later = new_job("a", delay_seconds=60.0)
        transitions.retry(hold, job=later, stored=None, error="e")
    elif way == "reject":
        transitions.reject(hold, error="e")
    elif way == "snooze":
        from holdfast.ledger import snoozing

        snoozing.snooze(hold)
    else:
        interventions.cancel(["a"], running=True)
    if way == "forget":
        interventions.forget("a")
    assert admit() == ["b"]


@pytest.mark.parametrize("way", ["hand back", "lose", "retry"])
def test_job_that_is_put_back_at_once_keeps_its_admission(worker: UUID, way: str) -> None:
    bound(concurrency=1)
    wait("a")
    wait("b")
    admit()
    hold = run(worker, "a")
    if way == "hand back":
        transitions.hand_back([hold], cause="c")
    elif way == "lose":
        transitions.lose(hold, cause="c")
    else:
        transitions.retry(hold, job=new_job("a"), stored=None, error="e")
    assert state("a") == (State.QUEUED, "")
    lines.leave(["a"])
    assert admit() == []
    assert transitions.succeed(run(worker, "a"), stored=None)
    assert admit() == ["b"]


def test_job_that_came_back_waits_again(worker: UUID) -> None:
    bound(concurrency=1)
    wait("a")
    wait("b")
    admit()
    transitions.retry(
        run(worker, "a"), job=new_job("a", delay_seconds=-1.0), stored=None, error="e"
    )
    assert admit() == ["b"]
    assert publishing.publish_due(limit=10) == []
    assert limits.line_up_due(limit=10) == 1
    assert state("a") == (State.HELD, "limit")
    assert admit() == []
    transitions.succeed(run(worker, "b"), stored=None)
    assert admit() == ["a"]


def test_replayed_job_waits_for_an_admission_of_its_own(worker: UUID) -> None:
    bound(concurrency=1)
    wait("a")
    wait("b")
    admit()
    transitions.fail(run(worker, "a"), stored=None, error="e")
    assert admit() == ["b"]
    assert interventions.replay("a") is not None
    assert state("a") == (State.HELD, "relay")
    eventually(lambda: limits.line_up_due(limit=10) == 1, told="it is due")
    assert admit() == []
    transitions.succeed(run(worker, "b"), stored=None)
    assert admit() == ["a"]


@pytest.mark.parametrize("own", [(Use("other"),), ()])
def test_replacement_waits_at_the_limits_of_its_own(worker: UUID, own: tuple[Use, ...]) -> None:
    bound(concurrency=1)
    bound("other", concurrency=1)
    wait("a")
    wait("b")
    admit()
    hold, job = run(worker, "a"), new_job("a", limits=own)
    ticket = transitions.retry(hold, job=job, stored=None, error="", outcome=Outcome.REPLACED)
    assert admit() == ["b"]
    if own:
        assert ticket is None
        eventually(lambda: limits.line_up_due(limit=10) == 1, told="it is due")
        assert admit("other") == ["a"]
        assert places("a") == {"other": Place.ADMITTED}
    else:
        assert ticket is not None
        assert places("a") == {}
    assert transitions.succeed(run(worker, "a"), stored=None)


def test_recalled_job_frees_its_place_and_takes_it_again(worker: UUID) -> None:
    bound(concurrency=1)
    wait("a")
    (ticket,) = admission.admit("l", stated=lambda _: None).tickets
    assert publishing.recall([ticket]) == 1
    assert publishing.publish_due(limit=10) == []
    eventually(lambda: limits.line_up_due(limit=10) == 1, told="it is due")
    assert admit() == ["a"]


def test_eta_comes_first_and_the_limit_after_it(worker: UUID) -> None:
    bound(concurrency=1)
    transitions.record([new_job("a", limits=(Use("l"),), delay_seconds=-1.0)])
    transitions.record([new_job("b", limits=(Use("l"),), delay_seconds=60.0)])
    assert state("b") == (State.HELD, "eta")
    transitions.record([new_job("free", hold="relay")])
    assert admit() == []
    due = eventually(lambda: publishing.publish_due(limit=10), told="what is not limited is due")
    assert [ticket.id for ticket in due] == ["free"]
    assert limits.line_up_due(limit=10) == 1
    assert admit() == ["a"]
    assert places("b") == {"l": Place.AWAY}
