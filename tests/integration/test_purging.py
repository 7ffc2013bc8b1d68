"""Purging a queue: exactly what waited when somebody asked, counted first, in batches, with the audit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from holdfast import pausing, purging
from holdfast.ledger import pauses, publishing, transitions
from holdfast.ledger import purging as ledger_purging
from holdfast.ledger.database import dialect
from holdfast.ledger.limiting import admission
from holdfast.ledger.models import Audit, Job
from holdfast.ledger.models.limits import Limited, Place
from holdfast.ledger.models.pauses import Shelved
from holdfast.ledger.records import Ticket, Use
from holdfast.ledger.states import State
from tests.limited import bound
from tests.rows import hire, new_job


def record(count: int = 1, *, queue: str = "mail", **more: Any) -> list[Ticket]:
    return transitions.record([new_job(queue=queue, **more) for _ in range(count)])


def states(ledger: str) -> dict[str, str]:
    rows = Job.objects.using(ledger).values_list("id", "state")
    return {id: State(state).name.lower() for id, state in rows}


def waits(ledger: str) -> dict[str, int]:
    found = purging.waiting("mail")
    return {
        name: getattr(found, name) for name in ("queued", "paused", "limited", "due", "later")
    } | {"total": found.total}


@pytest.fixture
def every_place(ledger: str) -> dict[str, str]:
    """One job of the queue in each place where one can be, and one of another queue."""
    worker = hire()
    (running,) = record()
    transitions.claim([(running.id, running.token, False)], worker=worker)
    queued, urgent = record()[0], record(priority=9)[0]
    pausing.pause(queue="mail")
    (shelved,) = record()
    pauses.shelve([(shelved.id, shelved.token)])
    bound("line", concurrency=1)
    first = new_job(queue="other", hold="limit", limits=(Use("line"),))
    limited = new_job(queue="mail", hold="limit", limits=(Use("line"),))
    transitions.record([first, limited])
    admission.admit("line", stated=lambda _: None)
    due, later = (
        new_job(queue="mail", delay_seconds=60.0),
        new_job(queue="mail", delay_seconds=60.0),
    )
    transitions.record([due, later])
    Job.objects.using(ledger).filter(id=due.id).update(due_at=F("recorded_at"))
    return {
        "running": running.id,
        "queued": queued.id,
        "urgent": urgent.id,
        "shelved": shelved.id,
        "limited": limited.id,
        "due": due.id,
        "later": later.id,
        "other": first.id,
    }


def test_jobs_are_counted_by_where_they_wait(ledger: str, every_place: dict[str, str]) -> None:
    assert waits(ledger) == {
        "queued": 2,
        "paused": 1,
        "limited": 1,
        "due": 1,
        "later": 1,
        "total": 5,
    }
    assert not purging.waiting("mail").more


@pytest.mark.parametrize("later", [False, True])
def test_all_that_waits_is_cancelled_and_nothing_else(
    ledger: str, every_place: dict[str, str], *, later: bool
) -> None:
    purged = purging.purge("mail", later=later, actor="ada")
    assert (purged.cancelled, purged.busy, purged.left) == (6 if later else 5, 0, 0)
    left = {id for id, state in states(ledger).items() if state != "cancelled"}
    names = ["running", "other"] + ([] if later else ["later"])
    assert left == {every_place[name] for name in names}
    assert states(ledger)[every_place["running"]] == "running"
    lines = Audit.objects.using(ledger).filter(action="purge")
    assert sum(line.count or 0 for line in lines) == purged.cancelled
    assert {(line.actor, line.detail) for line in lines} == {("ada", "queue mail")}
    # Nothing of them is left in a line or on a shelf.
    assert not Shelved.objects.using(ledger).exists()
    assert not Limited.objects.using(ledger).filter(place=Place.WAITING).exists()


def test_what_came_after_the_count_is_left_alone(ledger: str) -> None:
    record(3)
    moment = purging.waiting("mail").until
    (new,) = record()
    late = new_job(queue="mail", delay_seconds=60.0)
    transitions.record([late])
    Job.objects.using(ledger).filter(id__in=[new.id]).update(
        published_at=moment + timedelta(seconds=1)
    )
    Job.objects.using(ledger).filter(id=late.id).update(recorded_at=moment + timedelta(seconds=1))
    assert purging.purge("mail", until=moment, later=True).cancelled == 3
    assert {id for id, state in states(ledger).items() if state != "cancelled"} == {new.id, late.id}


def test_job_that_is_claimed_meanwhile_runs_on(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the lock a worker takes one."""
    tickets = record(3)
    worker = hire()
    look = ledger_purging._waits

    def late(*args: Any, **more: Any) -> Any:
        first = tickets[0]
        transitions.claim([(first.id, first.token, False)], worker=worker)
        return look(*args, **more)

    monkeypatch.setattr(ledger_purging, "_waits", late)
    assert purging.purge("mail").cancelled == 2
    assert states(ledger)[tickets[0].id] == "running"


def test_purge_goes_on_where_it_stopped(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_purging, "BATCH", 4)
    record(10)
    moment = purging.waiting("mail").until
    first = purging.purge("mail", until=moment, most=6)
    assert (first.cancelled, first.left) == (6, 4)
    # A batch is a transaction with its line.
    assert sorted(line.count or 0 for line in Audit.objects.using(ledger)) == [2, 4]
    again = purging.purge("mail", until=moment, most=6)
    assert (again.cancelled, again.left) == (4, 0)
    assert purging.purge("mail").cancelled == 0


def test_equal_times_lose_nobody_between_two_pages(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_purging, "BATCH", 3)
    monkeypatch.setattr(ledger_purging, "MOST", 6)
    record(4)
    record(4, priority=9)
    record(7, delay_seconds=60.0)
    jobs = Job.objects.using(ledger)
    moment = dialect().now()
    jobs.filter(state=State.QUEUED).update(published_at=moment)
    jobs.filter(state=State.HELD).update(due_at=moment + timedelta(days=1))
    counted = purging.waiting("mail")
    assert (counted.queued, counted.later, counted.more) == (7, 6, True)
    assert purging.purge("mail", later=True, most=100).cancelled == 15


def test_purge_in_a_transaction_that_rolls_back_has_not_happened(ledger: str) -> None:
    record(2)
    with transaction.atomic(using=ledger):
        assert purging.purge("mail").cancelled == 2
        transaction.set_rollback(True, using=ledger)
    assert set(states(ledger).values()) == {"queued"}
    assert not Audit.objects.using(ledger).exists()
    assert publishing.publish_due(limit=5) == []
