"""Waiting jobs put on another queue or priority: the old ticket does nothing, the new one runs, and claims may race."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.db.models.functions import Now

from holdfast.ledger import audit, interventions, pauses, publishing, transitions
from holdfast.ledger.models import Job
from holdfast.ledger.models.limits import Limited
from holdfast.ledger.records import Refusal, Ticket, Use
from holdfast.ledger.rerouting import reroute
from holdfast.ledger.states import State
from holdfast.tickets import to_publish
from tests.limited import admit, bound, wait
from tests.rows import hire, new_job


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def record(**more: Any) -> Ticket:
    (ticket,) = transitions.record([new_job(**more)])
    return ticket


def row(id: str) -> Job:
    return Job.objects.using("ledger").get(id=id)


def claim(worker: UUID, *tickets: Ticket) -> dict[str, str]:
    batch = transitions.claim([(t.id, t.token, False) for t in tickets], worker=worker)
    return {id: why.value for id, why in batch.refused.items()} | {
        job.id: "claimed" for job in batch.claimed
    }


def test_queued_job_goes_on_under_a_new_ticket_and_the_old_one_does_nothing(worker: UUID) -> None:
    old = record(queue="slow", priority=2)
    (new,) = reroute({old.id: old.token}, queue="fast", actor="ada", detail="it is urgent")
    assert (new.queue, new.priority, new.token) == ("fast", 2, old.token + 1)
    assert claim(worker, old) == {old.id: Refusal.STALE.value}
    assert claim(worker, new) == {old.id: "claimed"}
    (line,) = audit.lines(job=old.id)
    assert (line.action, line.actor, line.count, line.detail) == (
        "reroute",
        "ada",
        1,
        "it is urgent",
    )


def test_held_job_is_published_where_it_was_put_once_it_is_due(ledger: str) -> None:
    transitions.record([new_job("later", delay_seconds=3600.0)])
    (standby,) = reroute({"later": row("later").token}, queue="other", priority=7)
    assert to_publish([standby]) == []
    Job.objects.using(ledger).update(due_at=Now() - timedelta(seconds=1))
    (ticket,) = publishing.publish_due(limit=10)
    assert (ticket.queue, ticket.priority) == ("other", 7)
    assert ticket.token > standby.token


def test_jobs_that_moved_run_are_over_or_are_there_already_are_left_alone(worker: UUID) -> None:
    runs, over, moved, there = (record(id=id) for id in ("runs", "over", "moved", "there"))
    claim(worker, runs)
    interventions.cancel([over.id], running=False)
    publishing.recall([moved])
    reroute({there.id: there.token}, queue="other")
    before = dict(Job.objects.using("ledger").values_list("id", "token"))

    asked = {t.id: t.token for t in (runs, over, moved)} | {"there": there.token + 1, "gone": 1}
    assert reroute(asked, queue="other", actor="ada") == []
    assert dict(Job.objects.using("ledger").values_list("id", "token")) == before
    assert not [line for line in audit.lines() if line.action == "reroute"]


def test_job_held_for_a_pause_waits_for_the_queue_it_was_put_on(worker: UUID) -> None:
    pauses.pause("queue", "stopped", actor="", reason="")
    pauses.pause("queue", "stopped too", actor="", reason="")
    tickets = [record(queue="stopped") for _ in range(2)]
    pauses.shelve((t.id, t.token) for t in tickets)
    tokens = {t.id: t.token + 1 for t in tickets}
    first, second = tokens
    reroute({first: tokens[first]}, queue="goes")
    reroute({second: tokens[second]}, queue="stopped too")
    assert pauses.wake(limit=10) == 1
    assert (row(first).hold, row(second).hold) == ("relay", "pause")
    pauses.resume("queue", "stopped too", actor="")
    assert pauses.wake(limit=10) == 1


def test_job_at_a_limit_takes_the_place_of_its_new_priority(ledger: str) -> None:
    bound(concurrency=1)
    wait("first")
    wait("second")
    wait("third")
    reroute({"third": row("third").token}, priority=9)
    assert admit() == ["third"]
    assert Limited.objects.using(ledger).get(job="third").rank == -9
    assert Use("l").weight == 1


def test_job_that_waits_for_its_replacement_is_left_alone(worker: UUID) -> None:
    ticket = record()
    claim(worker, ticket)
    Job.objects.using("ledger").filter(id=ticket.id).update(state=State.HELD, hold="replaced")
    assert reroute({ticket.id: row(ticket.id).token}, queue="other") == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "Say queue"),
        ({"queue": ""}, "no name of a queue"),
        ({"queue": "q" * 256}, "no name of a queue"),
        ({"priority": 10}, "no priority"),
        ({"priority": -1}, "no priority"),
    ],
)
def test_what_cannot_be_is_told(ledger: str, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        reroute({"x": 1}, **asked)


def test_many_with_one_line_in_the_audit(ledger: str) -> None:
    tickets = transitions.record([new_job() for _ in range(5)])
    moved = reroute(
        {t.id: t.token for t in tickets}, priority=1, actor="ada", detail=json.dumps({"n": 1})
    )
    assert {t.id for t in moved} == {t.id for t in tickets}
    (line,) = audit.lines()
    assert (line.action, line.count, line.job) == ("reroute", 5, None)


def test_claims_that_race_take_each_job_once_where_it_was_or_where_it_is(worker: UUID) -> None:
    jobs, chunk = 120, 10
    tickets = transitions.record([new_job(queue="old") for _ in range(jobs)])
    start = threading.Barrier(2, timeout=30)

    def take(some: list[Ticket]) -> list[str]:
        asked = [(t.id, t.token, False) for t in some]
        return [job.id for job in transitions.claim(asked, worker=worker).claimed]

    def put(some: list[Ticket]) -> list[Ticket]:
        return reroute({t.id: t.token for t in some}, queue="new")

    def by_chunks(work: Callable[[list[Ticket]], list[Any]], order: list[Ticket]) -> list[Any]:
        try:
            start.wait()
            return [one for at in range(0, jobs, chunk) for one in work(order[at : at + chunk])]
        finally:
            connections["ledger"].close()

    # From both ends: they meet.
    with ThreadPoolExecutor(2) as threads:
        taking = threads.submit(by_chunks, take, tickets)
        putting = threads.submit(by_chunks, put, tickets[::-1])
        taken, moved = taking.result(60), putting.result(60)

    assert sorted(taken + [t.id for t in moved]) == sorted(t.id for t in tickets)
    assert {row(id).queue for id in taken} <= {"old"}
    assert set(claim(worker, *moved).values()) <= {"claimed"}
    assert set(Job.objects.using("ledger").values_list("attempts", flat=True)) == {1}
