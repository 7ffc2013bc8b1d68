"""The table of moves against the functions that make them: each makes the moves it has there, and no other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from holdfast.exceptions import AttemptLost
from holdfast.ledger import (
    ends,
    interventions,
    pauses,
    publishing,
    rerouting,
    snoozing,
    transitions,
    workers,
)
from holdfast.ledger.limiting import admission, limits
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.models.unique import UniqueKey
from holdfast.ledger.records import Alike, End, Hold, Ticket, UniqueRequest, Use
from holdfast.ledger.states import MOVES, Conflict, Outcome, Reason, Scope, State
from tests.moves import functions, moves_of, steps_of, watched
from tests.rows import FAILURE, hire, new_job


@dataclass(frozen=True)
class Place:
    """Where one job stands, with all that anybody could hold of it."""

    alias: str
    id: str
    worker: UUID

    @property
    def row(self) -> QuerySet[Job]:
        return Job.objects.using(self.alias).filter(id=self.id)

    @property
    def token(self) -> int:
        return self.row.values_list("token", flat=True).first() or 0

    @property
    def ticket(self) -> Ticket:
        return Ticket(self.id, self.token, "t", "q", 0)

    @property
    def hold(self) -> Hold:
        return Hold(self.id, self.token, self.worker)


def _replay_limited(at: Place) -> None:
    at.row.update(limited=True)
    interventions.replay(at.id)


def _replay_many_limited(at: Place) -> None:
    at.row.update(limited=True)
    interventions.replay_many({at.id: at.token}, actor="ada")


def _line_up(at: Place) -> None:
    due = at.row.filter(due_at__isnull=False)
    if due.update(limited=True, due_at=Now() - timedelta(seconds=1)):
        limits.take_part([new_job(at.id, limits=(Use(at.id),))])
    limits.line_up_due(limit=10)


def _admit(at: Place) -> None:
    admission.admit(at.id, stated=lambda _: None)


def _admit_too_late(at: Place) -> None:
    at.row.update(expires_at=Now() - timedelta(seconds=1))
    _admit(at)


def _skip(at: Place) -> None:
    limits.declare({at.id: Bounds(concurrency=1, skip=True)}, overwrite=True)
    first = new_job(hold="limit", limits=(Use(at.id),), priority=9)
    transitions.record([first])
    _admit(at)
    Job.objects.using(at.alias).filter(id=first.id).delete()


Way = Callable[[Place], Any]


def _record(at: Place) -> None:
    transitions.record([new_job(at.id)])


def _meet(at: Place, *, conflict: str, delay: float) -> None:
    """Send a unique call that meets the job at its key."""
    taken = {"job": at.id, "given_at": Now(), "look_at": Now()}
    UniqueKey.objects.using(at.alias).update_or_create(key="k", defaults=taken)
    unique = UniqueRequest(key="k", scope=Scope.UNFINISHED, conflict=conflict)
    met = new_job(delay_seconds=delay or None, unique=unique)
    transitions.record([met])
    Job.objects.using(at.alias).filter(id=met.id).delete()


def _record_fresh(at: Place) -> None:
    _forget(at, [transitions.record_fresh(new_job())])


def _record_alike(at: Place) -> None:
    rows = [Alike(str(uuid4()), "{}", b"[]") for _ in range(2)]
    _forget(at, transitions.record_alike(new_job(), [rows]))


def _forget(at: Place, tickets: list[Ticket]) -> None:
    ids = [ticket.id for ticket in tickets]
    assert Job.objects.using(at.alias).filter(id__in=ids).delete()[0]


def _publish_due(at: Place) -> None:
    at.row.filter(due_at__isnull=False).update(due_at=Now() - timedelta(seconds=1))
    publishing.publish_due(limit=10)


def _claim(at: Place) -> None:
    transitions.claim([(at.id, at.token, False)], worker=at.worker)


def _expire(at: Place) -> None:
    at.row.update(expires_at=Now() - timedelta(seconds=1))
    interventions.expire([at.id])


def _retry(at: Place, **more: Any) -> None:
    with contextlib.suppress(AttemptLost):
        transitions.retry(at.hold, job=new_job(at.id), stored=None, error="e", **more)


def _snooze(at: Place, **when: Any) -> None:
    with contextlib.suppress(AttemptLost):
        snoozing.snooze(at.hold, **when)


def _retry_later(at: Place) -> None:
    with contextlib.suppress(AttemptLost):
        transitions.retry(at.hold, job=new_job(at.id, delay_seconds=60.0), stored=None, error="e")


def _lose_for_good(at: Place) -> None:
    at.row.update(losses=1000)
    transitions.lose(at.hold, cause="killed")


def _rescue(at: Place) -> None:
    Worker.objects.using(at.alias).filter(id=at.worker).update(
        lease_until=Now() - timedelta(seconds=1)
    )
    workers.declare_lost()
    lapsed, worker_of = workers.lapsed_jobs(limit=100)
    interventions.rescue(lapsed, worker_of=worker_of)


def _rescue_for_good(at: Place) -> None:
    at.row.update(losses=1000)
    _rescue(at)


def _asked(way: Way) -> Way:
    """Let somebody ask the job to stop first."""

    def after_the_wish(at: Place) -> None:
        at.row.filter(state=State.RUNNING).update(cancel_asked_at=Now())
        way(at)

    return after_the_wish


def _hand_back(at: Place) -> None:
    transitions.hand_back([at.hold], cause="stop")


def _lose(at: Place) -> None:
    transitions.lose(at.hold, cause="killed")


def _end_long_waits(at: Place) -> None:
    at.row.filter(due_at__isnull=False).update(due_at=Now() + timedelta(hours=1))
    publishing.end_long_waits(limit=10)


WAYS: dict[str, list[Way]] = {
    "record": [
        _record,
        lambda at: transitions.record([new_job(at.id, delay_seconds=60.0)]),
        partial(_meet, conflict=Conflict.REPLACE, delay=0.0),
        partial(_meet, conflict=Conflict.REPLACE, delay=60.0),
        partial(_meet, conflict=Conflict.POSTPONE, delay=60.0),
    ],
    "record_fresh": [_record_fresh],
    "record_alike": [_record_alike],
    "publish_due": [_publish_due],
    "recall": [lambda at: publishing.recall([at.ticket])],
    "end_long_waits": [_end_long_waits],
    "republish": [lambda at: publishing.republish([at.ticket])],
    "claim": [_claim],
    "succeed": [lambda at: transitions.succeed(at.hold, stored=None)],
    "succeed_many": [lambda at: ends.succeed_many([End(at.hold)])],
    "ignore": [lambda at: transitions.ignore(at.hold)],
    "fail": [lambda at: transitions.fail(at.hold, stored=FAILURE, error="e")],
    "retry": [
        _retry,
        _retry_later,
        lambda at: _retry(at, outcome=Outcome.REPLACED),
        _asked(_retry),
    ],
    "snooze": [_snooze, lambda at: _snooze(at, until=timezone.now()), _asked(_snooze)],
    "await_replacement": [lambda at: transitions.await_replacement(at.hold)],
    "hand_back": [_hand_back, _asked(_hand_back)],
    "lose": [_lose, _lose_for_good, _asked(_lose)],
    "reject": [lambda at: transitions.reject(at.hold, error="no")],
    "bury_attempt": [
        lambda at: transitions.bury_attempt(at.hold, reason=Reason.UNDECODABLE, error="no")
    ],
    "revoke": [lambda at: transitions.revoke(at.hold)],
    "store_result": [
        lambda at: transitions.store_result(at.id, FAILURE, hold=at.hold),
        lambda at: transitions.store_result(at.id, FAILURE),
    ],
    "cancel": [
        lambda at: interventions.cancel([at.id], running=True),
        lambda at: interventions.cancel([at.id], running=False),
        lambda at: interventions.cancel([at.id], running=False, ask=True),
    ],
    "expire": [_expire, lambda at: interventions.expire([at.id])],
    "bury": [lambda at: interventions.bury(at.id, reason=Reason.UNKNOWN_TASK)],
    "replay": [lambda at: interventions.replay(at.id), _replay_limited],
    "replay_many": [
        lambda at: interventions.replay_many({at.id: at.token}, actor="ada"),
        _replay_many_limited,
    ],
    "discard": [lambda at: interventions.discard({at.id: at.token}, actor="ada")],
    "edit": [
        lambda at: interventions.edit(at.id, token=at.token, headers="{}", body=b"[1]", actor="ada")
    ],
    "run_now": [lambda at: interventions.run_now(at.id, token=at.token, actor="ada")],
    "rescue": [_rescue, _rescue_for_good, _asked(_rescue)],
    "store_bare": [
        lambda at: interventions.store_bare(at.id, FAILURE, failed=True),
        lambda at: interventions.store_bare(at.id, FAILURE, failed=False),
    ],
    "abandon": [lambda at: interventions.abandon(at.id)],
    "reroute": [lambda at: rerouting.reroute({at.id: at.token}, queue="other", priority=3)],
    "line_up_due": [_line_up],
    "shelve": [lambda at: pauses.shelve([(at.id, at.token)])],
    "wake": [lambda at: pauses.wake(limit=10)],
    "admit": [_admit, _admit_too_late, _skip],
    "settle": [lambda at: interventions.settle(at.id)],
}

# The moves that bring a job where it is to stand.
PLACES: dict[str, list[str]] = {
    "nothing": [],
    "held for the broker": ["record", "recall"],
    "held for a pause": ["record", "shelve"],
    "held at a limit": ["record", "recall", "line_up_due"],
    "held for its replacement": ["record", "claim", "await_replacement"],
    "queued": ["record"],
    "running": ["record", "claim"],
    "succeeded": ["record", "claim", "succeed"],
    "failed": ["record", "claim", "fail"],
    "cancelled": ["record", "cancel"],
    "expired": ["record", "expire"],
    "dead": ["record", "bury"],
}


def _bring(alias: str, moves: list[str]) -> Place:
    place = Place(alias, f"job-{uuid4()}", hire())
    for move in moves:
        WAYS[move][0](place)
    return place


def test_every_function_that_could_move_a_job_is_tried() -> None:
    assert WAYS.keys() == functions().keys()


def test_every_move_of_the_table_has_a_function() -> None:
    assert set().union(*(moves_of(name) for name in functions())) == MOVES.keys()


@pytest.mark.parametrize("function", sorted(WAYS))
def test_function_makes_its_moves_of_the_table_and_no_other(ledger: str, function: str) -> None:
    made = set()
    for moves in PLACES.values():
        for way in WAYS[function]:
            place = _bring(ledger, moves)
            with watched(ledger) as seen:
                way(place)
            made |= {step for name, step in seen if name == function}
            # What is left here must not be moved by the next one.
            place.row.delete()
    assert made == steps_of(function)
