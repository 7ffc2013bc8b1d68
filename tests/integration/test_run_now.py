"""A waiting job brought sooner or elsewhere by an operator: fenced by the token he saw, noted, never in two places."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from threading import Barrier, Thread
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections
from django.db.models.functions import Now
from django.test import override_settings

from holdfast import Celery, waiting
from holdfast.exceptions import JobMoved, SelectionRefused
from holdfast.ledger import audit, interventions, publishing, rerouting, transitions
from holdfast.ledger.fence import as_seen
from holdfast.ledger.limiting import limits
from holdfast.ledger.models import Job
from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import Hold, Ticket, Use
from holdfast.ledger.states import State
from tests import limited
from tests.rows import hire, new_job
from tests.surroundings import current_app


@pytest.fixture(autouse=True)
def app(ledger: str) -> Iterator[Celery]:
    with current_app("memory://") as app, mock.patch("holdfast.broker.publisher.Publisher.publish"):
        yield app


@pytest.fixture
def published(app: Celery) -> Iterator[list[Ticket]]:
    """The tickets that are put on the broker."""
    found: list[Ticket] = []
    with mock.patch.object(app.outbox.publisher, "publish", found.extend):
        yield found


@pytest.fixture
def worker() -> UUID:
    return hire()


def record(**more: Any) -> str:
    job = new_job(**more)
    transitions.record([job])
    return job.id


def job(id: str) -> Job:
    found: Job = Job.objects.using("ledger").get(id=id)
    return found


def claims(id: str, token: int, worker: UUID) -> bool:
    return bool(transitions.claim([(id, token, False)], worker=worker).claimed)


def test_job_that_waits_for_its_time_is_published_by_the_next_pass_of_the_relay() -> None:
    id = record(delay_seconds=3600, hold="eta")
    assert waiting.run_now(id, token=1, actor="ada")
    assert (job(id).state, job(id).hold, job(id).token) == (State.HELD, "relay", 2)
    (ticket,) = publishing.publish_due(limit=10)
    assert (ticket.id, ticket.token) == (id, 3)
    (line,) = audit.lines(job=id)
    assert (line.actor, line.action) == ("ada", "run now")


def test_what_waits_for_something_else_or_has_moved_is_left_alone(worker: UUID) -> None:
    limited.bound(concurrency=1)
    limited.wait("in")
    limited.wait("out")
    limited.admit()
    queued = record()
    later = record(delay_seconds=60)
    assert not waiting.run_now("out", token=1, actor="ada")
    assert not waiting.run_now(queued, token=1, actor="ada")
    assert not waiting.run_now(later, token=7, actor="ada")
    assert waiting.run_now(later, token=1, actor="ada")
    assert not waiting.run_now(later, token=1, actor="ada"), "sent twice"
    assert len(audit.lines(job=later)) == 1


def test_job_with_limits_still_waits_at_them() -> None:
    limited.bound(concurrency=1)
    limited.wait("in")
    limited.admit()
    transitions.record([new_job("later", delay_seconds=3600, limits=(Use("l"),))])
    assert interventions.run_now("later", token=1, actor="ada")
    assert publishing.publish_due(limit=10) == []
    assert limits.line_up_due(limit=10) == 1
    assert limited.places("later") == {"l": Place.WAITING}
    assert limited.admit() == []


def test_rerouted_job_is_published_there_and_its_old_message_does_nothing(
    worker: UUID, published: list[Ticket]
) -> None:
    id = record()
    assert waiting.reroute(id, token=1, queue="r", priority=5, actor="ada")
    assert not claims(id, 1, worker), "by the message on the old queue"
    assert published == [Ticket(id, 2, "t", "r", 5)]
    assert claims(id, 2, worker)
    (line,) = audit.lines(job=id)
    assert (line.action, line.detail) == ("reroute", '{"queue": ["q", "r"], "priority": [0, 5]}')
    assert not waiting.reroute(id, token=3, queue="q", actor="ada"), "it runs"


def test_held_job_keeps_its_time(published: list[Ticket]) -> None:
    id = record(delay_seconds=3600, hold="retry")
    due = job(id).due_at
    assert waiting.reroute(id, token=1, queue="r", actor="ada")
    moved = job(id)
    assert (moved.queue, moved.hold, moved.due_at, moved.token) == ("r", "retry", due, 2)
    assert published == []


def test_reroute_to_where_it_is_changes_nothing() -> None:
    id = record()
    assert not waiting.reroute(id, token=1, queue="q", priority=0, actor="ada")
    assert not waiting.reroute(id, token=1, actor="ada")
    assert (job(id).token, audit.lines(job=id)) == (1, [])


def test_job_waiting_for_its_replacement_is_nobodys_to_move(worker: UUID) -> None:
    id = record()
    transitions.claim([(id, 1, False)], worker=worker)
    transitions.await_replacement(Hold(id, 2, worker))
    assert not waiting.reroute(id, token=3, queue="r", actor="ada")
    assert not waiting.run_now(id, token=3, actor="ada")


def test_priorities_and_queues_that_are_none_are_refused(app: Celery) -> None:
    id = record()
    with pytest.raises(SelectionRefused, match="from 0 to 9"):
        waiting.reroute(id, token=1, priority=10, actor="ada")
    app.conf.task_create_missing_queues = False
    app.amqp.__dict__.pop("queues", None)
    with pytest.raises(SelectionRefused, match="has no queue 'r'"):
        waiting.reroute(id, token=1, queue="r", actor="ada")
    assert job(id).token == 1


def test_job_of_a_bounded_queue_stays_and_none_comes_in(app: Celery) -> None:
    bounded = {**settings.HOLDFAST, "queue_limits": {"narrow": {"concurrency": 1}}}
    transitions.record(
        [new_job("mine", queue="narrow", hold="limit", limits=(Use("queue:narrow"),))]
    )
    other = record()
    with override_settings(HOLDFAST=bounded):
        for id, to in (("mine", "wide"), (other, "narrow")):
            with pytest.raises(SelectionRefused, match="queue_limits"):
                waiting.reroute(id, token=1, queue=to, actor="ada")
        assert waiting.reroute("mine", token=1, priority=3, actor="ada")


@pytest.mark.parametrize("other", ["relay", "cancel", "reroute"])
def test_race_has_one_winner_and_the_job_one_life(ledger: str, other: str) -> None:
    """Whoever comes second finds another token, whichever it is."""

    def others(id: str) -> Any:
        if other == "relay":
            return publishing.publish_due(limit=10)
        if other == "cancel":
            return interventions.cancel([id], running=True) or job(id).state == State.CANCELLED
        return rerouting.reroute({id: 1}, queue="r", actor="a")

    for _ in range(5):
        id = record(delay_seconds=60.0)
        if other == "relay":
            Job.objects.using(ledger).update(due_at=Now() - timedelta(seconds=1))
        won: dict[str, Any] = {}
        together = Barrier(2)

        def run(name: str, work: Any, won: Any = won, together: Any = together) -> None:
            together.wait(10)
            try:
                won[name] = bool(work())
            finally:
                connections[ledger].close()

        works = {
            "run now": partial(interventions.run_now, id, token=1, actor="a"),
            "other": partial(others, id),
        }
        threads = [Thread(target=run, args=work) for work in works.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        noted = [line.action for line in audit.lines(job=id)]
        assert ("run now" in noted) == won["run now"]
        assert job(id).token == 1 + sum(won.values())
        if other == "reroute":
            assert won["run now"] != won["other"]
        Job.objects.using(ledger).all().delete()


def test_what_is_done_as_seen_is_refused_once_the_job_has_moved(worker: UUID) -> None:
    id = record()
    transitions.claim([(id, 1, False)], worker=worker)
    done = []
    with pytest.raises(JobMoved, match="is running now"), as_seen(id, 1):
        done.append(id)
    with pytest.raises(JobMoved, match="is gone now"), as_seen("nobody", 1):
        done.append(id)
    with as_seen(id, 2):
        done.append("once")
    assert done == ["once"]


def test_as_seen_undoes_what_fails_inside(worker: UUID) -> None:
    id = record(delay_seconds=60.0)

    def fail_inside() -> None:
        with as_seen(id, 1):
            interventions.run_now(id, token=1, actor="ada")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert (job(id).token, audit.lines(job=id)) == (1, [])
