"""What the loops and the hot path ask stays cheap in a ledger full of history: no plan reads the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import DjangoDbBlocker

from holdfast.ledger import (
    audit,
    batches,
    checkpoints,
    chords,
    duty,
    effects,
    failures,
    interventions,
    minutes,
    operations,
    pauses,
    publishing,
    purging,
    rerouting,
    samples,
    slices,
    totals,
    transitions,
    unique,
    wishes,
    workers,
)
from holdfast.ledger.database import dialect
from holdfast.ledger.limiting import admission, limits, line_reads, lines, looks, shown
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.models.effects import Effect
from holdfast.ledger.reads import (
    backlog,
    batch_reads,
    depth,
    details,
    errors,
    gauges,
    health,
    letters,
    occurrences,
    one_job,
    outlines,
    queries,
    queue_reads,
    rates,
    standing,
    troubles,
    worker_reads,
)
from holdfast.ledger.reads.kin import kin
from holdfast.ledger.records import Hold, NewJob, UniqueRequest, Use
from holdfast.ledger.states import DEAD_LETTERS, FINAL, State
from holdfast.metrics.parts import PARTS
from holdfast.testing.services import PostgresServer
from tests.crowded import BACKLOG, HISTORY, WORKER, crowd
from tests.explained import tables_read_whole
from tests.ledgers import ledger_in
from tests.rows import new_job


@pytest.fixture(scope="module")
def big_ledger(
    postgres_server: PostgresServer, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """A PostgreSQL ledger with a long history, a backlog and far ETAs."""
    url = postgres_server.create_database("plans")
    with django_db_blocker.unblock(), ledger_in(url, alias="plans") as alias:
        crowd(alias)
        yield alias


def one_life() -> None:
    (ticket,) = transitions.record([new_job(queue="q0")])
    (job,) = transitions.claim([(ticket.id, ticket.token, False)], worker=WORKER).claimed
    assert transitions.succeed(Hold(job.id, job.token, WORKER), stored=None)


def the_job(number: int) -> standing.Standing:
    row = standing.standing(f"job-{number}")
    assert row is not None
    return row


def unique_job(key: str, *, conflict: str = "existing", **more: Any) -> NewJob:
    asked = UniqueRequest(key=key, scope="unfinished", conflict=conflict)
    return new_job(unique=asked, **more)


def an_effect(key: str) -> None:
    turn, day = uuid4(), timedelta(days=1)
    effects.begin(key, turn=turn, hold=None, keep=day, take_over=True)
    effects.record(key, effects.Encoded(b"1"), turn=turn, hold=None, keep=day)


def limited_job() -> NewJob:
    return new_job(hold="limit", limits=(Use("keys", "a"),))


def let_in_at_once(*, lined_up: bool) -> None:
    """Look at a limit and record a job on the strength of it, or let in one that is recorded."""
    job, stated = limited_job(), [Bounds(per_key=1)]
    looks.look([job], stated=[Bounds(concurrency=1000)], lined_up=lined_up)
    entry = looks.look([job], stated=stated, lined_up=lined_up).entry
    if lined_up:
        dialect().let_in([job.id], entry=entry)
    else:
        transitions.record([job], entry=entry)


def operation(kind: str, **filter: Any) -> None:
    """Ask for an operation, work off its first slices, and stop it."""
    id = operations.ask(kind, filter=filter, options={"queue": "q9"}, actor="ada")
    assert slices.work(lambda _: None) is not None
    slices.work(lambda _: None)
    operations.stop(id, actor="ada")


ASKED: dict[str, Callable[[], Any]] = {
    "record, claim and succeed": one_life,
    "claim of what nobody holds": lambda: transitions.claim(
        [(f"job-{HISTORY + n}", 1, False) for n in range(1, 65)], worker=WORKER, skip_locked=True
    ),
    "unique: new key": lambda: transitions.record([unique_job("new")]),
    "unique: taken keys": lambda: transitions.record(
        [unique_job(f"key-job-{HISTORY + n}") for n in range(1, 65)]
    ),
    "unique: replaced and postponed": lambda: transitions.record(
        [
            unique_job(f"key-job-{HISTORY + n}", delay_seconds=90.0, conflict=conflict)
            for n, conflict in enumerate(["replace", "postpone"], start=1)
        ]
    ),
    "pruner: unique keys": lambda: unique.prune(limit=500),
    "fail": lambda: transitions.fail(Hold("x", 1, WORKER), stored=None, error="e"),
    "beat": lambda: workers.renew(WORKER),
    "duty: look": duty.look,
    "duty: keep": lambda: duty.keep(WORKER, seconds=60),
    "relay: next due": queries.seconds_to_next_due,
    "relay: publish due": lambda: publishing.publish_due(limit=500),
    "rescuer: lapsed jobs": lambda: workers.lapsed_jobs(limit=500),
    "rescuer: declare lost": workers.declare_lost,
    "reconciler: lists": lambda: list(queries.queued_lists()),
    "reconciler: suspects": lambda: queries.queued_before(
        "q1", 0, moment=None, older_than=timedelta(hours=1), limit=1000
    ),
    "reconciler: of a clock set back": lambda: queries.queued_ahead("q1", 0),
    "reconciler: suspects of a clock set back": lambda: queries.queued_between(
        "q1", 0, since=datetime.now(UTC) + timedelta(seconds=5), before=None, limit=1000
    ),
    "reconciler: overtaken": lambda: queries.overtaken(
        "q1", 0, since=None, before=datetime.now(UTC), by=timedelta(seconds=10), limit=1000
    ),
    "held: of a clock set back": lambda: publishing.end_long_waits(limit=500),
    "duty: take": lambda: workers.take_duty(workers.UPKEEP, WORKER, seconds=60),
    "audit": lambda: queries.held_by(WORKER),
    "audit: asked to stop": lambda: wishes.asked_among(["job-1"]),
    "is aborted": lambda: wishes.standing(Hold("job-1", 1, WORKER)),
    "cancel": lambda: interventions.cancel(["job-1"], running=False, ask=True),
    "checkpoint": lambda: checkpoints.load("job-1"),
    "queues": queue_reads.queues,
    "queues: depth": lambda: depth.depth(["q0", "q1", "q2"], most=501),
    "queues: unserved": queue_reads.unserved_queues,
    "health: running": health.running,
    "health: abandoned": lambda: health.abandoned(seconds=60),
    "health: run times": health.run_times,
    "health: flows": lambda: health.flows(seconds=60),
    "health: dead": lambda: health.dead_of_late(seconds=3600),
    "health: expired": lambda: health.expired_of_late(seconds=3600),
    "health: overdue": lambda: health.overdue(seconds=30),
    "health: untold": lambda: health.untold(seconds=60),
    "health: outlived": lambda: health.outlived(seconds=86400),
    "health: waiting tasks": health.waiting_tasks,
    "queues: one of them": lambda: queue_reads.queue("q1"),
    "queues: samples": samples.take,
    "queues: count of what waits": lambda: purging.waiting("q1"),
    "queues: purge": lambda: purging.purge(
        "q1", until=datetime.now(UTC), later=True, actor="ada", most=1500
    ),
    "workers: jobs": lambda: worker_reads.jobs_of(WORKER),
    "settler": lambda: queries.unsettled(limit=200),
    "pruner: finished": lambda: queries.prune_finished(
        states=FINAL - DEAD_LETTERS, before=timedelta(days=1), limit=1000
    ),
    "pruner: dead letters": lambda: queries.prune_finished(
        states=DEAD_LETTERS, before=timedelta(days=30), limit=1000
    ),
    "pruner: tasks with a rule": lambda: list(queries.tasks_kept_apart()),
    "pruner: jobs of a task": lambda: queries.prune_kept_apart(
        "apart", before=timedelta(days=1), last=100, limit=1000
    ),
    "pruner: effects": lambda: effects.prune(limit=500),
    "effect: begin": lambda: an_effect("effect-job-7"),
    "effect: in doubt": lambda: list(Effect.objects.using("plans").filter(state=0)[:20]),
    "pruner: stored": lambda: queries.prune_stored(before=timedelta(days=1), limit=1000),
    "backlog: what is due": lambda: backlog.backlog(all_held=False),
    "backlog: of a queue": lambda: backlog.backlog(["q1"]),
    "backlog: all of it": backlog.backlog,
    "backlog: by task": backlog.left,
    "backlog: next scheduled": backlog.next_scheduled,
    "backlog: calls": lambda: list(islice(backlog.open_jobs(), 250)),
    "limits: record": lambda: transitions.record([limited_job()]),
    "limits: record and let in": lambda: let_in_at_once(lined_up=False),
    "limits: let in": lambda: let_in_at_once(lined_up=True),
    "limits: look at a long line": lambda: looks.look(
        [new_job(hold="limit", limits=(Use("plans", "1"), Use("keys", "1")))],
        stated=[],
        lined_up=True,
    ),
    "limits: leave and look": lambda: lines.leave_and_look(["job-1"], ["plans", "keys"]),
    "unique: limited": lambda: transitions.record(
        [unique_job("new-limited", hold="limit", limits=(Use("keys", "b"),))]
    ),
    "unique: taken key": lambda: transitions.record([unique_job(f"key-job-{HISTORY + 1}")]),
    "limits: admit": lambda: admission.admit("plans", stated=lambda _: None, most=10),
    "limits: admit by key": lambda: admission.admit("keys", stated=lambda _: None, keys=["a"]),
    "limits: due": lambda: limits.line_up_due(limit=500),
    "limits: leave": lambda: lines.leave(["job-1"]),
    "limits: who left unseen": lambda: lines.leave_behind(limit=500),
    "limits: names": lambda: lines.waiting_names(after="", many=20),
    "limits: who waits before": lambda: lines.older_waits(Use("plans"), job="job-1", by_key=False),
    "limits: why": lambda: line_reads.place_of("job-50"),
    "limits: holders": lambda: line_reads.holders(Use("plans", "1"), of_key=True),
    "limits: counts": lambda: line_reads.counts("plans"),
    "metrics: held": gauges.held,
    "metrics: causes": lambda: gauges.latest_causes(limit=50),
    "metrics: oldest": gauges.oldest_queued_seconds,
    "metrics: silent workers": lambda: gauges.silent_workers(within=timedelta(minutes=15)),
    "metrics: all of it": lambda: [list(part.read()) for part in PARTS if part.asks_database],
    "calls: next to be counted": lambda: totals.next_recorded(datetime.now(UTC)),
    "calls: counted": lambda: totals.count_recorded(
        datetime.now(UTC) - timedelta(minutes=2),
        datetime.now(UTC) - timedelta(minutes=1),
        before=totals.begin_recorded(),
    ),
    "activity: newest": audit.search,
    "activity: further": lambda: audit.search(before=30_000),
    "activity: of somebody": lambda: audit.search(actor="user-7"),
    "activity: of somebody, further": lambda: audit.search(actor="user-7", before=30_000),
    "activity: an action": lambda: audit.search(action="purge"),
    "activity: about a job": lambda: audit.search(job="job-7"),
    "activity: of a time": lambda: audit.search(
        since=datetime.now(UTC) - timedelta(days=20), until=datetime.now(UTC) - timedelta(days=19)
    ),
    "activity: which actions": audit.actions,
    "queues: chart of one": lambda: samples.of_queue(
        "q1", since=datetime.now(UTC) - timedelta(hours=6)
    ),
    "queues: charts of all": lambda: samples.latest(
        since=datetime.now(UTC) - timedelta(minutes=10)
    ),
    "pruner: samples": lambda: samples.prune(older_than=timedelta(days=3), limit=500),
    "limits: shown": shown.limits,
    "limits: who is in": lambda: shown.holders("plans"),
    "limits: lines by key": lambda: shown.waiters("plans"),
    "pauses: wake": lambda: pauses.wake(limit=500),
    "dead letters: count": lambda: letters.count(letters.Wanted(task="t")),
    "dead letters: groups": lambda: letters.groups(letters.Wanted()),
    "dead letters: clock": letters.clock,
    "dead letters: first batch": lambda: letters.batch(letters.Wanted(), after=None, limit=500),
    "dead letters: next batch": lambda: letters.tokens(
        letters.Wanted(error="x", fingerprint="0123456789abcdef", until=datetime.now(UTC)),
        after=letters.Place(datetime.now(UTC) - timedelta(hours=1), "job-50"),
        limit=500,
    ),
    "dead letters: replay": lambda: interventions.replay_many({"job-50": 1}, actor="ada"),
    "dead letters: discard": lambda: interventions.discard({"job-100": 1}, actor="ada"),
    "dead letters: details": lambda: details.details("job-150"),
    "errors: count": lambda: failures.count(limit=500),
    "errors: groups": lambda: errors.groups(errors.Wanted()),
    "errors: group": lambda: errors.group("0123456789abcdef"),
    "errors: samples": lambda: errors.samples("0123456789abcdef", limit=100),
    "dead letters: latest": lambda: letters.latest(
        letters.Wanted(fingerprint="0123456789abcdef"), limit=10
    ),
    "reroute": lambda: rerouting.reroute({f"job-{HISTORY + 7}": 1}, queue="q9", priority=1),
    "operation: waiting jobs": lambda: operation("queue", task="nobody's"),
    "operation: dead letters": lambda: operation("discard", task="nobody's"),
    "operation: dead letters of a cause": lambda: operation(
        "replay", fingerprint="0123456789abcdef", error="x"
    ),
    "operation: finished jobs": lambda: operation("replay", task="t", state=["succeeded"]),
    "batch: waiting members": lambda: batches.waiting("b", most=640),
    "batch: running member": lambda: batches.has_open("b", running=True),
    "batch: facts": lambda: batches.facts("b"),
    "batch: the loop's look": lambda: batches.ripe(batches.watched(after="", limit=500)),
    "batch: progress": lambda: batches.count_by_state(["b"]),
    "batch: members": lambda: list(batches.members("b")),
    "batch: cancel": lambda: queries.members_in(["b"], [State.QUEUED], limit=500),
    "pruner: batches": lambda: batches.prune(
        succeeded_before=timedelta(days=1), before=timedelta(days=30), limit=1000
    ),
    "pruner: chords": lambda: chords.prune(
        before=timedelta(days=1), unfired_before=timedelta(days=30), limit=1000
    ),
    "batch: pages": lambda: [batch_reads.page(w, before="x", limit=25) for w in batch_reads.WHICH],
    "batch: counted": lambda: batch_reads.counted({"b": ["b", "c"]}, most=20_000),
    "batch: causes": lambda: batch_reads.faults(["b", "c"]),
    "batch: dead letters": lambda: letters.tokens(
        letters.Wanted(batches=("b", "c")), after=None, limit=500
    ),
    "outline": lambda: outlines.find(["job-1", "job-2"], batches=["b"], groups=["g"]),
    "outline: opened": lambda: outlines.find([], groups=["g"], opened={("group", "g"): 50}),
    "history of a schedule": lambda: occurrences.history_of("s", before=None, limit=25),
    "graph": lambda: kin(["job-1", "job-2"], batches=["b"], groups=["g"], limit=1000),
    "minutes: look": lambda: minutes.look(minutes.now() - minutes.MINUTE),
    "minutes: count": lambda: minutes.ended_between(
        minutes.now() - timedelta(hours=2), minutes.now() - timedelta(hours=1)
    ),
    "minutes: counted until": lambda: minutes.counted_until(now=minutes.now()),
    "pruner: minutes": lambda: minutes.prune(older_than=timedelta(days=8), limit=1000),
    "rates: hour": rates.series,
    "rates: day of a task": lambda: rates.series(rates.DAY, task="b"),
    "rates: top tasks": rates.top_tasks,
    "troubles: dead letters": lambda: troubles.dead_letters(within=timedelta(days=1)),
    "troubles: paused": troubles.paused,
    "workers: what they run": worker_reads.running_by_worker,
    "why: those before it": lambda: standing.before(the_job(HISTORY + BACKLOG)),
    "why: workers": standing.servers,
    "why: pace": lambda: standing.pace(the_job(1)),
    "why: pace of a task kept apart": lambda: standing.pace(the_job(7)),
    "why: claimed before it": lambda: standing.beside(
        replace(the_job(1), worker=WORKER, started_at=datetime.now(UTC))
    ),
    "why: duty": standing.on_duty,
    "why: last attempt": lambda: standing.last_attempt("job-1"),
    "why: others": lambda: standing.known(["job-1", "job-2"]),
    "why: what replaced it": lambda: standing.open_kin(the_job(1)),
    "why: key": lambda: standing.who_has("key-job-1"),
    "job: attempts": lambda: one_job.past(the_job(1), None),
    "job: call": lambda: one_job.call(the_job(1)),
    "job: result": lambda: one_job.kept("job-1"),
    "job: family": lambda: one_job.family(the_job(7)),
    "job: batch": lambda: one_job.part("b"),
    "job: limits": lambda: one_job.places(the_job(1)),
    "job: effects": lambda: one_job.begun("job-1000"),
    "job: oldest end": one_job.oldest_end,
    "job: run now": lambda: interventions.run_now("job-1", token=1, actor="ada"),
    "waiter": lambda: queries.result_metas(["job-1", "job-2"]),
}


def test_a_full_read_would_be_seen(big_ledger: str) -> None:
    assert tables_read_whole(big_ledger, queries.count_by_state) == ["holdfast_job"]


@pytest.mark.parametrize("name", sorted(ASKED))
def test_no_statement_reads_the_whole_table(big_ledger: str, name: str) -> None:
    assert not tables_read_whole(big_ledger, ASKED[name])
