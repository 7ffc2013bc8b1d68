"""The state machine with limits: whatever happens, no more jobs are queued and running than each limit allows."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from holdfast.ledger import publishing, transitions
from holdfast.ledger.limiting import admission, limits
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold as Attempt
from holdfast.ledger.records import Use
from holdfast.ledger.states import Hold, State
from tests.machine import CRASHES, LedgerMachine, crash_before_statement
from tests.rows import new_job

MOST = 12
BOUNDS = {
    "narrow": Bounds(concurrency=2),
    "each": Bounds(concurrency=4, per_key=1),
    "heavy": Bounds(concurrency=3),
}
USES = {
    "narrow": (Use("narrow"),),
    "each a": (Use("each", key="a"),),
    "each b": (Use("each", key="b"),),
    "both": (Use("each", key="a"), Use("narrow")),
    "heavy": (Use("heavy", weight=2),),
    "heavy and narrow": (Use("narrow"), Use("heavy", weight=2)),
}


class LimitedMachine(LedgerMachine):
    """Jobs of three limits, some of two at once, among all the other moves."""

    # Moves that do no more to limits than those that stay would only take their turns.
    begin = record = start_one = zombie_leaves = message_of_the_past_arrives = None  # type: ignore[assignment]
    dead_letters_are_discarded = broker_errs = reconcile = None  # type: ignore[assignment]

    @initialize(which=st.lists(st.sampled_from(sorted(USES)), min_size=4, max_size=8))
    def with_jobs(self, which: list[str]) -> None:
        """Begin with jobs that wait and run: on an empty ledger most moves are none."""
        self.start()
        self.uses: dict[str, tuple[Use, ...]] = {}
        self.record_limited(which=which, delayed=False, crash=None)
        self._relay()
        tickets, self.broker = self.broker[::2], self.broker[1::2]
        for ticket in tickets:
            asked = [(ticket.id, ticket.token, False)]
            for job in transitions.claim(asked, worker=self.workers[0]).claimed:
                self.attempts.append(Attempt(job.id, job.token, self.workers[0]))

    @rule(
        which=st.lists(st.sampled_from(sorted(USES)), min_size=1, max_size=4),
        delayed=st.booleans(),
        crash=st.one_of(st.none(), CRASHES),
    )
    def record_limited(self, which: list[str], delayed: bool, crash: int | None) -> None:
        if len(self.uses) > MOST:
            return
        jobs = []
        for name in which:
            job = new_job(f"limited-{uuid4().hex[:6]}", limits=USES[name])
            if delayed:
                job.delay_seconds = -1.0
            else:
                job.hold = Hold.LIMIT
            jobs.append(job)
        with crash_before_statement(self.alias, crash):
            transitions.record(jobs)
        there = {job.id for job in jobs if self._row(job.id) is not None}
        assert len(there) in {0, len(jobs)}, "some of them are recorded"
        self.committed |= there
        self.uses |= {job.id: job.limits for job in jobs if job.id in there}

    @rule(name=st.sampled_from(sorted(BOUNDS)), exactly=st.booleans(), crash=CRASHES)
    def admit(self, name: str, exactly: bool, crash: int | None) -> None:
        with crash_before_statement(self.alias, crash):
            done = admission.admit(name, stated=BOUNDS.get, exactly=exactly)
            self.broker += done.tickets

    @rule()
    def publish_what_is_due(self) -> None:
        """Publish before anybody has let limited jobs wait at their limits."""
        self.broker += publishing.publish_due(limit=1000)

    def _relay(self) -> None:
        limits.line_up_due(limit=1000)
        for name in BOUNDS:
            self.broker += admission.admit(name, stated=BOUNDS.get).tickets
        super()._relay()

    def _row(self, id: str) -> Any:
        return Job.objects.using(self.alias).filter(id=id).first()

    @invariant()
    def no_more_are_under_way_than_each_limit_allows(self) -> None:
        taken: Counter[str] = Counter()
        of_key: Counter[tuple[str, str]] = Counter()
        under_way = Job.objects.using(self.alias).filter(
            id__in=getattr(self, "uses", ()), state__in=[State.QUEUED, State.RUNNING]
        )
        for id in under_way.values_list("id", flat=True):
            for use in self.uses[id]:
                taken[use.limit] += use.weight
                of_key[use.limit, use.key] += use.weight
        for name, bounds in BOUNDS.items():
            assert taken[name] <= (bounds.concurrency or MOST), f"{name}: {taken[name]} at once"
        assert all(
            count <= (BOUNDS[name].per_key or MOST) for (name, _), count in of_key.items()
        ), "too many of one key"
