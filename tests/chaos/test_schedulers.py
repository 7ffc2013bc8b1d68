"""Schedulers killed, frozen and cut off: one job for each occurrence, and a take-over within its bound (P7)."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

import pytest
from celery import current_app

import holdfast
from holdfast.ledger import schedules
from holdfast.ledger.models import Job
from holdfast.ledger.models.schedules import Occurrence
from holdfast.testing.services import Mode
from tests.chaos import judge
from tests.chaos.conftest import Tell
from tests.chaos.ground import Ground, lasting
from tests.chaos.judge import Judgement
from tests.chaos.scheduled import CELERY_BEAT_SCHEDULE
from tests.eventually import eventually
from tests.processes import SiteProcess, freeze

TAKE_OVER = 15.0
ROUNDS = pytest.mark.parametrize("rounds", [2, pytest.param(12, marks=pytest.mark.soak)])


class Schedulers:
    """Real `celery beat` processes on one ledger."""

    def __init__(self, ground: Ground, many: int) -> None:
        self._ground = ground
        self.all = [self.start() for _ in range(many)]
        eventually(lambda: self.fired() >= 2, told="the first occurrences are fired")

    def start(self) -> SiteProcess:
        """Start one more."""
        return self._ground.scheduler()

    def replace(self, gone: SiteProcess) -> None:
        """Start another one in place of one that ended."""
        self.all.remove(gone)
        self.all.append(self.start())

    def leader(self) -> SiteProcess:
        """Return the process that holds the duty, by what it has logged."""

        def found() -> SiteProcess | None:
            holder, _ = schedules.duty_holder()
            told = re.compile(rf"(leads: {holder}|{holder} leads now)")
            return next((one for one in self.all if told.search(one.log_text())), None)

        leader = eventually(found, told="a scheduler leads")
        assert leader is not None
        return leader

    def fired(self) -> int:
        return Occurrence.objects.using(self._ground.site.alias).filter(outcome="fired").count()

    def await_take_over(self, since: datetime) -> float:
        """Wait until another scheduler has fired; return the seconds it took from then on."""
        rows = Occurrence.objects.using(self._ground.site.alias).filter(outcome="fired")
        holder, _ = schedules.duty_holder()

        def taken_over() -> bool:
            now, _ = schedules.duty_holder()
            return now not in {holder, None} and rows.filter(decided_at__gt=since).exists()

        eventually(taken_over, within=3 * TAKE_OVER, told="another scheduler fires")
        return (datetime.now(UTC) - since).total_seconds()

    def await_holder_after(self, end: Callable[[], None]) -> None:
        """End the leader in some way, and wait until another one holds the duty."""
        before, _ = schedules.duty_holder()
        end()
        eventually(
            lambda: schedules.duty_holder()[0] not in {before, None}, told="another one leads"
        )

    def await_more(self, more: int) -> None:
        """Wait until so many more occurrences are fired."""
        before = self.fired()
        eventually(lambda: self.fired() >= before + more, told=f"{more} more are fired")

    def kill(self) -> None:
        for one in self.all:
            one.kill()

    def log_tails(self) -> str:
        return "\n".join(one.log_tail(15) for one in self.all)


@pytest.fixture
def running() -> Iterator[list[Schedulers]]:
    """Schedulers to be ended after the test; their logs are shown if it fails."""
    running: list[Schedulers] = []
    yield running
    for schedulers in running:
        print(schedulers.log_tails())  # noqa: T201  # shown with the failure
        schedulers.kill()


def run(ground: Ground, running: list[Schedulers], many: int) -> Schedulers:
    """Start a worker and so many schedulers."""
    ground.worker(concurrency=1)
    schedulers = Schedulers(ground, many)
    running.append(schedulers)
    return schedulers


def hold(ground: Ground, schedulers: Schedulers) -> Judgement:
    """Hold all that was scheduled to the promise: each due time one row and one job, and none left out."""
    schedulers.kill()
    ground.settle()
    rows = list(Occurrence.objects.using(ground.site.alias).order_by("due_at"))
    fired = [row.job for row in rows if row.outcome == "fired"]
    jobs = set(Job.objects.using(ground.site.alias).values_list("id", flat=True))
    assert len(fired) == len(set(fired)), "an occurrence has the job of another"
    assert set(fired) == jobs, "a job without an occurrence, or an occurrence without its job"
    assert len(judge.runs(ground.site)) == len(jobs)
    for name, every in {"often": 0.5, "kept": 1.0}.items():
        dues = [row.due_at for row in rows if row.schedule == name]
        steps = {later - due for due, later in pairwise(dues)}
        assert steps == {timedelta(seconds=every)}, f"due times of {name} are left out or doubled"
    assert {row.outcome for row in rows if row.schedule == "kept"} == {"fired"}
    return ground.judge(list(jobs))


def tell_take_overs(
    tell: Tell, ground: Ground, schedulers: Schedulers, took: list[float], bound: float = TAKE_OVER
) -> None:
    """Hold the run to the promise, and each take-over, in seconds, to its bound."""
    tell(
        hold(ground, schedulers),
        faults=len(took),
        recovery=max(took),
        bound=bound,
        more=f"take-over p50 {median(took):.1f} s, longest {max(took):.1f} s",
    )


@ROUNDS
@pytest.mark.short_on("postgres")
def test_killed_leader_is_replaced_and_no_occurrence_is_doubled_or_left_out(
    rounds: int, on_both: Ground, tell: Tell, running: list[Schedulers]
) -> None:
    schedulers = run(on_both, running, 3)
    took: list[float] = []
    for _ in range(rounds):
        leader = schedulers.leader()
        # Somewhere in its second: a decision is under way now and then.
        lasting(0.07 * len(took))
        since = datetime.now(UTC)
        leader.kill()
        took.append(schedulers.await_take_over(since))
        schedulers.replace(leader)
    tell_take_overs(tell, on_both, schedulers, took)


@ROUNDS
@pytest.mark.short_on("sqlite")
def test_frozen_leader_is_replaced_and_doubles_nothing_when_it_wakes(
    rounds: int, on_both: Ground, tell: Tell, running: list[Schedulers]
) -> None:
    schedulers = run(on_both, running, 2)
    took: list[float] = []
    for _ in range(rounds):
        leader = schedulers.leader()
        freeze(leader, on_both.site.alias)
        since = datetime.now(UTC)
        took.append(schedulers.await_take_over(since))
        leader.signal_group(signal.SIGCONT)
        schedulers.await_more(6)
        assert leader.running, leader.log_tail()
    tell_take_overs(tell, on_both, schedulers, took)


@pytest.mark.short_on("sqlite")
def test_stopped_leader_hands_over_at_once(
    on_both: Ground, tell: Tell, running: list[Schedulers]
) -> None:
    schedulers = run(on_both, running, 2)
    took: list[float] = []
    for _ in range(3):
        leader = schedulers.leader()
        since = time.monotonic()
        schedulers.await_holder_after(leader.stop)
        took.append(time.monotonic() - since)
        schedulers.replace(leader)
        schedulers.await_more(3)
    tell_take_overs(tell, on_both, schedulers, took, bound=10.0)


@pytest.mark.short_on("postgres")
def test_pause_outlives_every_scheduler_that_is_killed(
    on_both: Ground, tell: Tell, running: list[Schedulers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(current_app.conf, "beat_schedule", CELERY_BEAT_SCHEDULE)
    schedulers = run(on_both, running, 2)
    rows = Occurrence.objects.using(on_both.site.alias).filter(schedule="often")
    holdfast.pause(schedule="often", actor="ada", reason="stock-taking")
    fired = rows.filter(outcome="fired").count()
    since = datetime.now(UTC)
    for one in list(schedulers.all):
        one.kill()
        schedulers.replace(one)
    took = [schedulers.await_take_over(since)]
    assert rows.filter(outcome="fired").count() == fired
    assert set(rows.filter(outcome="skipped").values_list("reason", flat=True)) == {
        "paused by ada: stock-taking"
    }
    holdfast.resume(schedule="often", actor="ada")
    eventually(lambda: rows.filter(outcome="fired").count() > fired, told="it goes on")
    tell_take_overs(tell, on_both, schedulers, took)


@pytest.mark.short_on("sqlite")
def test_schedules_go_on_while_redis_is_away(
    on_both: Ground, tell: Tell, running: list[Schedulers]
) -> None:
    schedulers = run(on_both, running, 2)
    for mode in (Mode.REFUSE, Mode.BLACKHOLE):
        on_both.broker.switch(mode)
        schedulers.await_more(8)
        on_both.broker.switch(Mode.PASS)
    back = time.monotonic()
    found = hold(on_both, schedulers)
    tell(found, faults=2, more=f"all run {time.monotonic() - back:.1f} s after Redis came back")


def test_schedules_go_on_after_the_database_was_restarted(
    on_postgres: Ground, tell: Tell, running: list[Schedulers]
) -> None:
    schedulers = run(on_postgres, running, 2)
    took: list[float] = []
    for _ in range(3):
        on_postgres.crash_database()
        back = time.monotonic()
        schedulers.await_more(4)
        took.append(time.monotonic() - back)
    tell(hold(on_postgres, schedulers), faults=3, recovery=max(took), bound=TAKE_OVER)


def test_database_that_is_silent_for_a_while_costs_no_occurrence(
    on_postgres: Ground, tell: Tell, running: list[Schedulers]
) -> None:
    assert on_postgres.database is not None
    schedulers = run(on_postgres, running, 2)
    on_postgres.database.switch(Mode.BLACKHOLE)
    lasting(8.0)
    on_postgres.database.switch(Mode.PASS)
    schedulers.await_more(6)
    tell(hold(on_postgres, schedulers), faults=1)
