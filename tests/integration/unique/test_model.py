"""Unique keys against a model: after any moves of a job the next call finds its key as the guide says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.ledger import interventions, publishing, rehearsal, snoozing, transitions
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold, Ticket, UniqueRequest
from holdfast.ledger.states import FINAL, Conflict, Scope, State
from holdfast.ledger.unique import stands
from holdfast.ledger.unique_rows import Holder
from tests.ledgers import empty
from tests.rows import hire, new_job

HOUR = 3600.0


class Life:
    """One job with its key, moved by hand, beside what is to be said of it."""

    def __init__(self, alias: str, scope: str) -> None:
        self.rows = Job.objects.using(alias)
        self.scope = scope
        self.worker = hire()
        self.claimed_once = False
        self.over_since_hours = 0
        self.job = self.call()

    def call(self) -> str:
        """Send a call; return the job that stands for it."""
        period = HOUR if self.scope == Scope.PERIOD else None
        asked = UniqueRequest(
            key="k", scope=self.scope, conflict=Conflict.EXISTING, period_seconds=period
        )
        transitions.record([new_job(unique=asked)])
        return str(asked.job)

    def taken(self) -> bool:
        """Say, in the words of the guide, whether the next call is to find the key taken."""
        row = self.rows.filter(id=self.job).first()
        if row is not None and row.state in {State.CANCELLED, State.EXPIRED}:
            return False
        waits = row is not None and row.state in {State.HELD, State.QUEUED}
        if waits and self.rows.filter(id=self.job, expires_at__lte=Now()).exists():
            return False
        if self.scope == Scope.PERIOD:
            return self.over_since_hours == 0
        if row is None:
            return False
        if self.scope == Scope.UNFINISHED:
            return row.state not in FINAL
        return waits and not self.claimed_once

    # -- moves ------------------------------------------------------------------------------------

    @property
    def row(self) -> Job:
        return self.rows.get(id=self.job)

    @property
    def hold(self) -> Hold:
        return Hold(self.job, self.row.token, self.worker)

    def claim(self) -> None:
        answer = transitions.claim([(self.job, self.row.token, False)], worker=self.worker)
        self.claimed_once |= bool(answer.claimed)

    def succeed(self) -> None:
        transitions.succeed(self.hold, stored=None)

    def fail(self) -> None:
        transitions.fail(self.hold, stored=None, error="e")

    def lose(self) -> None:
        transitions.lose(self.hold, cause="killed")

    def hand_back(self) -> None:
        transitions.hand_back([self.hold], cause="stop")

    def retry(self) -> None:
        if self.row.state == State.RUNNING:
            job = new_job(self.job, delay_seconds=HOUR)
            transitions.retry(self.hold, job=job, stored=None, error="e")

    def snooze(self) -> None:
        if self.row.state == State.RUNNING:
            snoozing.snooze(self.hold, delay=timedelta(hours=1))

    def cancel(self) -> None:
        interventions.cancel([self.job], running=True)

    def expire(self) -> None:
        self.rows.filter(id=self.job).update(expires_at=Now() - timedelta(seconds=1))
        interventions.expire([self.job])

    def replay(self) -> None:
        interventions.replay(self.job)

    def forget(self) -> None:
        interventions.forget(self.job)

    def recall(self) -> None:
        row = self.row
        publishing.recall([Ticket(self.job, row.token, row.task, row.queue, 0)])

    def wait_two_hours(self) -> None:
        rehearsal.bring_forward(timedelta(hours=2))
        self.over_since_hours += 2


MOVES = [
    Life.claim,
    Life.claim,
    Life.succeed,
    Life.fail,
    Life.lose,
    Life.hand_back,
    Life.retry,
    Life.snooze,
    Life.cancel,
    Life.expire,
    Life.replay,
    Life.forget,
    Life.recall,
    Life.wait_two_hours,
]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    scope=st.sampled_from([Scope.QUEUED, Scope.UNFINISHED, Scope.PERIOD]),
    moves=st.lists(st.sampled_from(MOVES), max_size=8),
)
def test_next_call_finds_the_key_as_the_guide_says(
    ledger: str, scope: str, moves: list[Any]
) -> None:
    empty(ledger)
    life = Life(ledger, scope)
    for move in moves:
        if Job.objects.using(ledger).filter(id=life.job).exists():
            move(life)
    expected = life.taken()
    assert (life.call() == life.job) == expected


@given(
    scope=st.sampled_from([Scope.QUEUED, Scope.UNFINISHED, Scope.PERIOD]),
    state=st.sampled_from(State),
    attempts=st.integers(0, 2),
    late=st.booleans(),
    fresh=st.booleans(),
)
def test_job_that_can_still_begin_is_never_doubled_and_one_that_cannot_never_stands(
    scope: str, state: State, attempts: int, late: bool, fresh: bool
) -> None:
    holder = Holder("j", state, attempts, "", late)
    found = stands(scope, holder, fresh=fresh)
    waiting = state in {State.HELD, State.QUEUED}
    if waiting and attempts == 0 and not late:
        assert found or (scope == Scope.PERIOD and not fresh)
    if (waiting and late) or state in {State.CANCELLED, State.EXPIRED}:
        assert not found
    if scope == Scope.QUEUED and (attempts or not waiting):
        assert not found
    if scope == Scope.PERIOD:
        assert found <= fresh
        assert stands(scope, None, fresh=fresh) == fresh
    else:
        assert stands(scope, holder, fresh=not fresh) == found
        assert found <= (state not in FINAL)
        assert not stands(scope, None, fresh=fresh)
