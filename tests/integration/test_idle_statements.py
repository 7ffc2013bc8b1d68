"""What workers ask of the database while nothing is to do: counted statement by statement, over a minute of a clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from holdfast import Celery
from holdfast.conf import get_settings
from holdfast.ledger import duty, transitions, workers
from holdfast.ledger.duty import Work
from holdfast.ledger.models import Duty, Job, Worker
from holdfast.ledger.states import State
from holdfast.testing.services import RedisServer
from holdfast.upkeep import pulse
from holdfast.upkeep.crew import FEW, Crew
from holdfast.upkeep.pulse import Pulse
from tests.finished import finished
from tests.rows import hire, new_job

MINUTE = 60.0
CLUSTER = 50


class Minutes:
    """A worker's heartbeat and loops, run by a clock of the test's own: nothing waits."""

    def __init__(self, broker: str, worker: UUID) -> None:
        self.now = 1000.0
        self.worker = worker
        self.pulse = Pulse(monotonic=lambda: self.now)
        app = Celery("idle", broker=broker, set_as_current=False)
        self.crew = Crew(app, lambda: worker, self.pulse, monotonic=lambda: self.now)
        self.app = app
        self._due = dict.fromkeys(self.crew.loops, self.now)
        self._beat_at = self.now

    def pass_for(self, seconds: float) -> None:
        """Let time pass: each loop passes when its pause is over or it is woken."""
        end = self.now + seconds
        while (at := min(self._beat_at, *self._due.values())) < end:
            self.now = max(self.now, at)
            if self._beat_at <= self.now:
                self._beat()
            for loop in self.crew.loops:
                if self._due[loop] <= self.now:
                    self._due[loop] = self.now + loop.one_pass()
                if loop._wake.is_set():
                    loop._wake.clear()
                    self._due[loop] = self.now
        self.now = end

    def _beat(self) -> None:
        beat = workers.renew(self.worker)
        assert beat is not None
        self.pulse.beat(beat.now)
        self.crew.hear(beat)
        self._beat_at = self.now + get_settings().beat_seconds


@contextmanager
def counted(alias: str) -> Iterator[list[str]]:
    """Note every statement that Django sends."""
    statements: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(note):
        yield statements


def crowd(ledger: str) -> list[UUID]:
    """Hire workers whose leases stand whatever the test's clock says."""
    crowd = [hire() for _ in range(FEW + 1)]
    far = datetime.now(UTC) + timedelta(days=1)
    Worker.objects.using(ledger).update(lease_until=far, lease_seconds=2 * 86400.0)
    return crowd


@pytest.fixture
def idle(
    ledger: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Minutes]:
    """A worker among others of an idle cluster; the database's clock is not the test's, and no step of it counts."""
    monkeypatch.setattr(pulse, "CLOCK_STEP_SECONDS", 1e9)
    crowd(ledger)
    minutes = Minutes(redis_server.url, hire())
    yield minutes
    minutes.app.outbox.publisher.close()


def test_idle_cluster_of_fifty_asks_less_than_five_times_a_second(
    ledger: str, idle: Minutes
) -> None:
    assert workers.take_duty(workers.UPKEEP, UUID(int=7), seconds=3600)
    idle.pass_for(MINUTE)
    with counted(ledger) as without_duty:
        idle.pass_for(MINUTE)
    assert len(without_duty) == 5, without_duty  # the beats
    Duty.objects.using(ledger).all().delete()
    # Until looks for what is over are as rare as they become.
    idle.pass_for(10 * MINUTE)
    with counted(ledger) as with_duty:
        idle.pass_for(5 * MINUTE)
    cluster = (CLUSTER - 1) * len(without_duty) + len(with_duty) / 5
    assert cluster / MINUTE <= 5.0, with_duty
    assert Duty.objects.using(ledger).get().holder == idle.worker


def test_calls_that_come_and_go_between_two_looks_are_counted_as_recorded(
    ledger: str, idle: Minutes
) -> None:
    idle.pass_for(MINUTE)
    assert not idle.crew._minutes.has_counted
    finished(1, at=datetime.now(UTC) - timedelta(minutes=2))
    idle.crew._minutes.begin()

    with counted(ledger) as statements:
        idle.pass_for(MINUTE)

    # By the quiet of the first minute the next look were due two minutes later.
    assert any("FROM holdfast_job WHERE id >=" in each for each in statements), statements


def test_renewal_of_a_lease_is_one_statement(ledger: str) -> None:
    worker = hire()
    with counted(ledger) as statements:
        beat = workers.renew(worker)
    assert len(statements) == 1
    assert beat is not None
    assert (beat.others, beat.lapse_seconds, beat.left_behind, beat.booked) == (
        0,
        None,
        False,
        False,
    )
    assert beat.duty_seconds <= 0


def test_renewal_tells_of_jobs_here_and_at_workers_that_are_gone(ledger: str) -> None:
    me, other, gone = hire(), hire(), hire()
    tickets = transitions.record([new_job(), new_job()])
    for ticket, at in zip(tickets, (me, gone), strict=True):
        transitions.claim([(ticket.id, ticket.token, False)], worker=at)
    assert workers.take_duty(workers.UPKEEP, other, seconds=60)
    before = workers.renew(me)
    workers.retire(gone)
    after = workers.renew(me)
    assert before is not None
    assert after is not None
    assert (before.others, before.booked, before.left_behind) == (2, True, False)
    assert before.lapse_seconds == pytest.approx(get_settings().lease_seconds, abs=10)
    assert before.duty_seconds == pytest.approx(60, abs=10)
    assert (after.others, after.booked, after.left_behind) == (1, True, True)


def test_duty_is_kept_by_its_holder_alone(ledger: str) -> None:
    mine, other = hire(), hire()
    assert workers.take_duty(workers.UPKEEP, mine, seconds=-1)
    # Nobody has taken it meanwhile.
    assert duty.keep(mine, seconds=60) == Work()
    assert duty.keep(other, seconds=60) is None
    assert not workers.take_duty(workers.UPKEEP, other, seconds=60)


def test_look_names_the_work_there_is(ledger: str) -> None:
    assert duty.look().none
    (queued,) = transitions.record([new_job()])
    assert duty.look() == Work(queued=True)
    transitions.claim([(queued.id, queued.token, False)], worker=hire())
    assert duty.look() == Work(running=True)
    Job.objects.using(ledger).update(state=State.CANCELLED, unsettled=True)
    assert duty.look() == Work(unsettled=True)
    Job.objects.using(ledger).update(unsettled=False)
    transitions.record([new_job(delay_seconds=3600.0), new_job(delay_seconds=1800.0)])
    later = duty.look()
    assert later.none
    assert later.due_seconds == pytest.approx(1800, abs=10)
    transitions.record([new_job(delay_seconds=-5.0, hold="eta")])
    assert not duty.look().none


def test_worker_without_the_duty_gives_a_lost_ones_jobs_back_when_its_lease_ends(
    ledger: str, idle: Minutes
) -> None:
    assert workers.take_duty(workers.UPKEEP, UUID(int=7), seconds=3600)
    gone = hire()
    (ticket,) = transitions.record([new_job()])
    transitions.claim([(ticket.id, ticket.token, False)], worker=gone)
    lease = get_settings().lease_seconds
    idle.pass_for(lease + 1)
    lapse(ledger, gone)
    idle.pass_for(get_settings().beat_seconds)
    job = Job.objects.using(ledger).get(id=ticket.id)
    assert (State(job.state), job.losses) == (State.QUEUED, 1)


def test_duty_of_one_that_is_gone_is_taken_with_the_next_beat(ledger: str, idle: Minutes) -> None:
    assert workers.take_duty(workers.UPKEEP, UUID(int=7), seconds=3600)
    idle.pass_for(MINUTE)
    lapsed = datetime.now(UTC) - timedelta(seconds=1)
    Duty.objects.using(ledger).update(until=lapsed)
    idle.pass_for(get_settings().beat_seconds + 0.1)
    assert Duty.objects.using(ledger).get().holder == idle.worker


def lapse(ledger: str, worker: UUID) -> None:
    """Let a worker's lease run out now."""
    now = datetime.now(UTC) - timedelta(seconds=1)
    Worker.objects.using(ledger).filter(id=worker).update(lease_until=now)
