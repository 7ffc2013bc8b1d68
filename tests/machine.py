"""The ledger as a state machine: any order of moves, with a crash between any two statements, and what must hold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connections
from django.db.models.functions import Now
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from holdfast.conf import get_settings
from holdfast.exceptions import Aborted, AttemptLost
from holdfast.ledger import (
    ends,
    interventions,
    publishing,
    rerouting,
    snoozing,
    transitions,
    workers,
)
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.reads import letters, queries
from holdfast.ledger.records import End, Hold, Ticket
from holdfast.ledger.states import FINAL, State
from holdfast.ledger.states import Hold as HoldReason
from holdfast.tickets import to_publish
from tests.ledgers import empty
from tests.rows import FAILURE, RESULT, hire, new_job


class Crash(Exception):
    """The process died here."""


@contextlib.contextmanager
def crash_before_statement(alias: str, number: int | None) -> Iterator[None]:
    """Die before the `number`-th statement on the database; None lives."""
    count = 0

    def wrapper(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        nonlocal count
        count += 1
        if number is not None and count > number:
            raise Crash
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(wrapper), contextlib.suppress(Crash):
        yield


CRASHES = st.one_of(st.none(), st.integers(min_value=0, max_value=6))


def retry(hold: Hold, *, delay: float | None) -> Ticket | None:
    job = new_job(hold.id, delay_seconds=delay)
    with contextlib.suppress(AttemptLost):
        return transitions.retry(hold, job=job, stored=None, error="e")
    return None


def snooze(hold: Hold) -> None:
    with contextlib.suppress(AttemptLost):
        snoozing.snooze(hold, delay=timedelta(seconds=-1))


def await_replacement(hold: Hold) -> None:
    with contextlib.suppress(Aborted):
        transitions.await_replacement(hold)


EXITS: dict[str, Callable[[Hold], Any]] = {
    "succeed": lambda hold: transitions.succeed(hold, stored=None),
    "succeed with a result": lambda hold: transitions.succeed(hold, stored=RESULT),
    "succeed with others": lambda hold: ends.succeed_many([End(hold, RESULT)]),
    "fail": lambda hold: transitions.fail(hold, stored=FAILURE, error="e"),
    "retry now": lambda hold: retry(hold, delay=None),
    "retry later": lambda hold: retry(hold, delay=-1.0),
    "snooze": snooze,
    "hand back": lambda hold: transitions.hand_back([hold], cause="stop"),
    "lose": lambda hold: transitions.lose(hold, cause="child died"),
    "reject": lambda hold: transitions.reject(hold, error="no"),
    "revoke": lambda hold: transitions.revoke(hold),  # noqa: PLW0108  # see below
    # Looked up when it is called: by then it is watched.
    "await replacement": lambda hold: await_replacement(hold),  # noqa: PLW0108
}


class LedgerMachine(RuleBasedStateMachine):
    """Jobs, two workers, zombies of lost attempts, and a broker that loses and doubles messages."""

    alias: str

    @initialize()
    def begin(self) -> None:
        self.start()

    def start(self) -> None:
        empty(self.alias)
        self.broker: list[Ticket] = []
        self.attempts: list[Hold] = []
        self.tokens: dict[str, tuple[int, int | None]] = {}
        self.committed: set[str] = set()
        self.workers: list[UUID] = []
        for _ in range(2):
            self.workers.append(hire())

    def _run_one(self) -> Hold:
        id = f"run-{uuid4().hex[:6]}"
        (ticket,) = transitions.record([new_job(id)])
        self.committed.add(id)
        batch = transitions.claim([(ticket.id, ticket.token, False)], worker=self.workers[0])
        hold = Hold(id, batch.claimed[0].token, self.workers[0])
        self.attempts.append(hold)
        return hold

    @rule()
    def start_one(self) -> None:
        if len(self.committed) < 6:
            self._run_one()

    @rule(number=st.integers(0, 99))
    def message_of_the_past_arrives(self, number: int) -> None:
        """An old message of a queued job, and a message at a worker without a lease, claim nothing."""
        queued = [t for t in self.broker if queries.state_of(t.id) == (State.QUEUED, t.token, None)]
        ticket = self._pick(queued, number)
        if ticket is None:
            return
        assert not transitions.claim(
            [(ticket.id, ticket.token - 1, False)], worker=self.workers[0]
        ).claimed
        assert not transitions.claim([(ticket.id, ticket.token, False)], worker=uuid4()).claimed
        assert queries.state_of(ticket.id) == (State.QUEUED, ticket.token, None)

    def _pick(self, items: list[Any], number: int) -> Any:
        return items[number % len(items)] if items else None

    @rule(delayed=st.booleans(), crash=CRASHES, lost=st.booleans())
    def record(self, delayed: bool, crash: int | None, lost: bool) -> None:
        if len(self.tokens) >= 3:  # few jobs, so that zombies and their successors meet
            return
        id = f"job-{len(self.tokens)}-{uuid4().hex[:6]}"
        with crash_before_statement(self.alias, crash):
            tickets = transitions.record([new_job(id, delay_seconds=-1.0 if delayed else None)])
            if not lost:
                self.broker += tickets
        if queries.state_of(id):
            self.committed.add(id)

    @rule(number=st.integers(0, 99), doubled=st.booleans())
    def broker_errs(self, number: int, doubled: bool) -> None:
        if ticket := self._pick(self.broker, number):
            self.broker.append(ticket) if doubled else self.broker.remove(ticket)

    @rule(number=st.integers(0, 99), who=st.integers(0, 1), ahead=st.booleans(), crash=CRASHES)
    def claim(self, number: int, who: int, ahead: bool, crash: int | None) -> None:
        if not self.broker:
            return
        ticket = self.broker.pop(number % len(self.broker))
        worker = self.workers[who % len(self.workers)]
        with crash_before_statement(self.alias, crash):
            batch = transitions.claim([(ticket.id, ticket.token, ahead)], worker=worker)
            self.attempts += [Hold(job.id, job.token, worker) for job in batch.claimed]

    def _leave(self, number: int, crash: int | None, move: Callable[[Hold], Any]) -> None:
        hold = self._pick(self.attempts, number)
        if hold is None:
            return
        before = queries.state_of(hold.id)
        standing = before is not None and before == (State.RUNNING, hold.token, hold.worker)
        with crash_before_statement(self.alias, crash):
            left = move(hold)
            self.broker += (
                left if isinstance(left, list) else [left] if isinstance(left, Ticket) else []
            )
        after = queries.state_of(hold.id)
        if not standing:
            assert after == before, "an attempt that does not stand changed its job"

    @rule(number=st.integers(0, 99), crash=CRASHES, verb=st.sampled_from(sorted(EXITS)))
    def leave(self, number: int, crash: int | None, verb: str) -> None:
        self._leave(number, crash, EXITS[verb])

    @rule(number=st.integers(0, 99), verb=st.sampled_from(sorted(EXITS)))
    def zombie_leaves(self, number: int, verb: str) -> None:
        """Claim, be handed back, be claimed again by the same worker: the first attempt is a zombie."""
        running = [hold for hold in self.attempts if queries.hold_of(hold.id) == hold]
        hold = self._pick(running, number) or self._run_one()
        transitions.claim(
            [
                (ticket.id, ticket.token, False)
                for ticket in transitions.hand_back([hold], cause="stop")
            ],
            worker=hold.worker,
        )
        successor = queries.hold_of(hold.id)
        EXITS[verb](hold)
        assert queries.hold_of(hold.id) == successor, f"{verb} of a zombie moved its successor"
        if successor is not None:
            self.attempts.append(successor)

    @rule(number=st.integers(0, 99), crash=CRASHES)
    def cancel(self, number: int, crash: int | None) -> None:
        if id := self._pick(sorted(self.tokens), number):
            with crash_before_statement(self.alias, crash):
                interventions.cancel([id], running=True)

    @rule(number=st.integers(0, 99), crash=CRASHES)
    def ask_to_stop(self, number: int, crash: int | None) -> None:
        if id := self._pick(sorted(self.tokens), number):
            with crash_before_statement(self.alias, crash):
                interventions.cancel([id], running=False, ask=True)

    @rule(number=st.integers(0, 99), crash=CRASHES)
    def replay(self, number: int, crash: int | None) -> None:
        if id := self._pick(sorted(self.tokens), number):
            with crash_before_statement(self.alias, crash):
                if ticket := interventions.replay(id):
                    self.broker.append(ticket)

    @rule(crash=CRASHES)
    def dead_letters_are_replayed(self, crash: int | None) -> None:
        seen, _ = letters.tokens(letters.Wanted(), after=None, limit=3)
        with crash_before_statement(self.alias, crash):
            self.broker += interventions.replay_many(seen, actor="ada")

    @rule(crash=CRASHES)
    def dead_letters_are_discarded(self, crash: int | None) -> None:
        seen, _ = letters.tokens(letters.Wanted(), after=None, limit=3)
        with crash_before_statement(self.alias, crash):
            interventions.discard(seen, actor="ada")

    @rule(number=st.integers(0, 99), priority=st.integers(0, 1), crash=CRASHES)
    def waiting_job_is_rerouted(self, number: int, priority: int, crash: int | None) -> None:
        if id := self._pick(sorted(self.tokens), number):
            token, _ = self.tokens[id]
            with crash_before_statement(self.alias, crash):
                self.broker += to_publish(rerouting.reroute({id: token}, priority=priority))

    @rule(number=st.integers(0, 99), crash=CRASHES)
    def waiting_job_is_run_now(self, number: int, crash: int | None) -> None:
        if id := self._pick(sorted(self.tokens), number):
            token, _ = self.tokens[id]
            with crash_before_statement(self.alias, crash):
                interventions.run_now(id, token=token, actor="ada")

    @rule(who=st.integers(0, 1), crash=CRASHES)
    def worker_dies_and_is_rescued(self, who: int, crash: int | None) -> None:
        worker = self.workers.pop(who % len(self.workers))
        Worker.objects.using(self.alias).filter(id=worker).update(
            lease_until=Now() - timedelta(seconds=1)
        )
        self.workers.append(hire())
        with crash_before_statement(self.alias, crash):
            self._rescue()

    @rule(crash=CRASHES)
    def relay(self, crash: int | None) -> None:
        with crash_before_statement(self.alias, crash):
            self._relay()

    @rule(number=st.integers(0, 99), crash=CRASHES)
    def publishing_fails(self, number: int, crash: int | None) -> None:
        if ticket := self._pick(self.broker, number):
            self.broker.remove(ticket)
            with crash_before_statement(self.alias, crash):
                publishing.recall([ticket])

    @rule(crash=CRASHES)
    def reconcile(self, crash: int | None) -> None:
        with crash_before_statement(self.alias, crash):
            self._reconcile()

    def _relay(self) -> None:
        self.broker += publishing.publish_due(limit=1000)

    def _rescue(self) -> None:
        workers.declare_lost()
        lapsed, worker_of = workers.lapsed_jobs(limit=100)
        self.broker += interventions.rescue(lapsed, worker_of=worker_of)

    def _reconcile(self) -> None:
        present = {(ticket.id, ticket.token) for ticket in self.broker}
        queued = [
            ticket
            for priority in (0, 1)
            for ticket in queries.queued_before(
                "q", priority, moment=None, older_than=timedelta(seconds=-5), limit=1000
            )
        ]
        missing = [ticket for ticket in queued if (ticket.id, ticket.token) not in present]
        self.broker += publishing.republish(missing)

    @invariant()
    def tokens_only_rise_and_attempts_are_counted(self) -> None:
        if not hasattr(self, "tokens"):
            return
        for job in Job.objects.using(self.alias).all():
            token, state = self.tokens.get(job.id, (0, None))
            assert job.token > token or (job.token, job.state) == (token, state), (
                "moved without a new token"
            )
            assert job.losses <= get_settings().max_lost_attempts
            if job.state == State.RUNNING:
                assert job.worker is not None
                assert job.attempts >= 1
            elif job.state not in FINAL:
                assert job.cancel_asked_at is None, "it was asked to stop, and goes on"
            self.tokens[job.id] = (job.token, job.state)

    def teardown(self) -> None:
        """P1: heal with everybody alive, and every committed job reaches a final state."""
        if not hasattr(self, "tokens"):
            return
        for worker in self.workers:
            Worker.objects.using(self.alias).filter(id=worker).update(
                lease_until=Now() - timedelta(seconds=1)
            )
        self.workers.append(hire())
        worker = self.workers[-1]
        for _ in range(12):
            self._rescue()
            self._relay()
            for id in Job.objects.using(self.alias).filter(
                hold=HoldReason.REPLACED, state=State.HELD
            ):
                self.broker += transitions.record(
                    [new_job(id.id)]
                )  # the replacement arrives with the same id
            self._reconcile()
            tickets, self.broker = self.broker, []
            batch = transitions.claim([(t.id, t.token, False) for t in tickets], worker=worker)
            for job in batch.claimed:
                assert transitions.succeed(Hold(job.id, job.token, worker), stored=RESULT)
        states = dict(Job.objects.using(self.alias).values_list("id", "state"))
        assert set(states) == self.committed
        open_jobs = {
            id: State(state).name for id, state in states.items() if State(state) not in FINAL
        }
        assert not open_jobs, f"never finished: {open_jobs}"
