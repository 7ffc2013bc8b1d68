"""The database's clock is set by an hour: dead workers are rescued in their time all the same, living ones never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.test import override_settings

from holdfast import Celery
from holdfast.broker.publisher import Publisher
from holdfast.ledger import duty, schedules, transitions, workers
from holdfast.ledger.clocks import has_lapsed
from holdfast.ledger.database import dialect
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.records import Refusal
from holdfast.ledger.states import State
from holdfast.testing.services import RedisServer
from holdfast.upkeep.pulse import Pulse
from holdfast.upkeep.rescuer import Rescuer
from holdfast.worker.waiting import Waiting
from tests.clocks import HOUR, set_back
from tests.eventually import eventually
from tests.rows import hire, new_job

LEASE = 30.0
BEAT = 12.0


class Judge:
    """A rescuer that beats by a clock of the test's own, while the database's goes on at its own pace."""

    def __init__(self, publisher: Publisher) -> None:
        self.id = hire()
        self.now = 1000.0
        self.pulse = Pulse(monotonic=lambda: self.now)
        self.rescuer = Rescuer(self.pulse, publisher.publish)

    def beat(self, times: int, *, off: timedelta = timedelta()) -> None:
        """Beat so often in a row up to now, by a database's clock that was off by so much then."""
        self.pulse.skip()
        until = dialect().now()
        for left in reversed(range(times)):
            self.now += BEAT
            self.pulse.beat(until - off - timedelta(seconds=left * BEAT))
        assert workers.renew(self.id) is not None


@pytest.fixture
def judge(ledger: str, redis_server: RedisServer) -> Iterator[Judge]:
    app = Celery("clocks", broker=redis_server.url, set_as_current=False)
    publisher = Publisher(app)
    publisher.client().flushall()
    with override_settings(HOLDFAST={"database": ledger, "lease_seconds": LEASE}):
        yield Judge(publisher)
    publisher.close()


def running_at(worker: UUID) -> str:
    (ticket,) = transitions.record([new_job()])
    assert transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    return ticket.id


def state(ledger: str, job: str) -> tuple[State, int]:
    row = Job.objects.using(ledger).get(id=job)
    return State(row.state), row.losses


def test_dead_worker_is_rescued_after_a_lease_though_its_own_ends_in_an_hour(
    ledger: str, judge: Judge
) -> None:
    dead, alive = hire(), hire()
    assert workers.renew(dead) is not None
    lost, runs = running_at(dead), running_at(alive)
    set_back(ledger)
    judge.beat(2)
    assert judge.rescuer.one_pass() == 0  # it has not watched for a lease
    judge.beat(4)
    assert workers.renew(alive) is not None
    assert judge.rescuer.one_pass() == 1
    assert state(ledger, lost) == (State.QUEUED, 1)
    assert state(ledger, runs) == (State.RUNNING, 0)
    assert workers.renew(dead) is None


def test_lease_that_a_renewal_has_written_runs_out(ledger: str) -> None:
    worker = hire()
    with override_settings(HOLDFAST={"database": ledger, "lease_seconds": 0.001}):
        assert workers.renew(worker) is not None
    eventually(lambda: workers.declare_lost() == 1)
    assert workers.renew(worker) is None


@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["back", "forward"])
def test_nobody_is_judged_who_has_not_had_the_time_of_its_own_lease_to_renew_it(
    ledger: str, judge: Judge, by: timedelta
) -> None:
    patient = hire()
    job = running_at(patient)
    Worker.objects.using(ledger).filter(id=patient).update(lease_seconds=20 * LEASE)
    set_back(ledger, by)
    judge.beat(5)
    assert judge.rescuer.one_pass() == 0
    assert state(ledger, job) == (State.RUNNING, 0)


def test_lease_of_an_old_worker_is_not_judged_by_a_length_it_does_not_have(
    ledger: str, judge: Judge
) -> None:
    job = running_at(old := hire())
    Worker.objects.using(ledger).filter(id=old).update(lease_seconds=None)
    set_back(ledger)
    judge.beat(5)
    assert judge.rescuer.one_pass() == 0
    assert state(ledger, job) == (State.RUNNING, 0)


def test_clock_set_forward_rescues_nobody_though_every_lease_has_run_out(
    ledger: str, judge: Judge
) -> None:
    alive = hire()
    job = running_at(alive)
    # It has beaten for long, by the clock that was an hour behind.
    judge.beat(5, off=HOUR)
    set_back(ledger, -HOUR)
    assert judge.rescuer.one_pass() == 0
    assert workers.renew(alive) is not None
    judge.beat(4)
    assert judge.rescuer.one_pass() == 0
    assert state(ledger, job) == (State.RUNNING, 0)


@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["back", "forward"])
def test_clock_set_between_the_look_and_the_judgement_condemns_nobody(
    ledger: str, by: timedelta
) -> None:
    job = running_at(alive := hire())
    looked_at = dialect().now() + by
    # As it would be at the very next statement: the lease was renewed on one side of the step or on the other.
    assert workers.declare_lost(now=looked_at) == 0
    set_back(ledger, by)
    assert workers.declare_lost(now=looked_at) == 0
    assert state(ledger, job) == (State.RUNNING, 0)
    assert workers.renew(alive) is not None


def test_claim_that_finds_its_lease_run_out_asks_for_a_renewal(ledger: str) -> None:
    (ticket,) = transitions.record([new_job()])
    worker = hire()
    set_back(ledger, -HOUR)
    refused = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).refused
    assert refused == {ticket.id: Refusal.NO_LEASE}

    asked: list[bool] = []
    waiting = Waiting()
    waiting.renew = lambda: asked.append(True)
    assert waiting.keep(object(), refused[ticket.id])  # type: ignore[arg-type]  # it is not looked into
    assert (len(waiting), asked) == (1, [True])

    assert workers.renew(worker) is not None
    assert transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed


def test_duty_of_a_dead_worker_is_free_at_once(ledger: str) -> None:
    dead, alive = hire(), hire()
    assert workers.take_duty(workers.UPKEEP, dead, seconds=10)
    before = workers.renew(alive)
    set_back(ledger)
    after = workers.renew(alive)
    assert before is not None
    assert after is not None
    assert 0 < before.duty_seconds < 11
    assert after.duty_seconds <= 0
    assert after.lapse_seconds is not None
    assert after.lapse_seconds <= 0
    assert workers.take_duty(workers.UPKEEP, alive, seconds=10)
    assert not workers.take_duty(workers.UPKEEP, dead, seconds=10)


def test_duty_of_a_living_worker_is_its_own_again_with_the_next_renewal(ledger: str) -> None:
    alive, other = hire(), hire()
    assert workers.take_duty(workers.UPKEEP, alive, seconds=10)
    set_back(ledger)
    assert duty.keep(alive, seconds=10) is not None
    assert not workers.take_duty(workers.UPKEEP, other, seconds=10)


def test_dead_scheduler_leads_no_longer(ledger: str) -> None:
    assert workers.take_duty(schedules.DUTY, UUID(int=1), seconds=6)
    assert schedules.duty_holder() == (UUID(int=1), False)
    set_back(ledger)
    assert schedules.duty_holder() == (UUID(int=1), True)


NOON = datetime.fromisoformat("2030-01-01T12:00:00+00:00")


@pytest.mark.parametrize(
    ("ahead", "lapsed"),
    [(-1.0, True), (0.0, False), (LEASE + 1.9, False), (LEASE + 2.1, True), (3600.0, True)],
)
def test_lease_has_lapsed_on_either_side_of_what_it_can_be(ahead: float, lapsed: bool) -> None:
    until = NOON + timedelta(seconds=ahead)
    assert has_lapsed(until, LEASE, moments=[NOON], watched=LEASE) is lapsed
    assert not has_lapsed(until, LEASE, moments=[NOON], watched=LEASE - 0.1)
