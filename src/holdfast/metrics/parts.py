"""The parts that the numbers are read in: each of bounded cost, and shared for some seconds by all who ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version

from holdfast.beat import listing
from holdfast.ledger import counts, pauses, schedulers, totals
from holdfast.ledger.database import connection
from holdfast.ledger.duty import UPKEEP
from holdfast.ledger.histograms import seconds_in
from holdfast.ledger.limiting import shown
from holdfast.ledger.reads import gauges, queue_reads, server, troubles, worker_reads
from holdfast.ledger.schedules import Decision
from holdfast.ledger.security import Kind
from holdfast.metrics import alerting, bounds, broker, contract
from holdfast.metrics.readings import Reading, first, reading, spread
from holdfast.policies.scaling import desired_workers

DAY = timedelta(days=1)
LOST_WITHIN = timedelta(minutes=15)
WORKER_STATES = ("serving", "stopping", "stalled")
_OUTCOMES = ("succeeded", "failed", "cancelled")
# What can be told apart in a count, all of them from the beginning: the first of a kind is a rise.
_LABELS = {
    counts.SUSPECTED: (
        Kind.FORGED_TICKET,
        Kind.FORGED_MESSAGE,
        Kind.UNSIGNED,
        Kind.MALFORMED,
        Kind.UNKNOWN_JOB,
    ),
    counts.DECIDED: (Decision.FIRED, Decision.SKIPPED, Decision.MISSED, Decision.FAILED),
}
_COUNTS = {
    counts.RESCUED: contract.RESCUED,
    counts.REPUBLISHED: contract.REPUBLISHED,
    counts.STALLED: contract.STALLS,
    counts.LEASES_LOST: contract.LEASES_LOST,
    counts.SUSPECTED: contract.SUSPECTED,
    counts.DECIDED: contract.DECIDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some numbers that are read together."""

    name: str
    read: Callable[[], Iterator[Reading]]
    seconds: float
    """For how long what was read is told to all who ask."""
    asks_database: bool = True


def build() -> Iterator[Reading]:
    """Which release answers."""
    try:
        release = version("holdfast")
    except PackageNotFoundError:
        # Imported from where nothing was installed.
        release = ""
    yield reading(contract.INFO, 1, release)


def database() -> Iterator[Reading]:
    """How much room the database has left."""
    with connection().cursor() as cursor:
        cursor.execute("SELECT 1")
    if connection().vendor != "postgresql":
        return
    room = server.room()
    yield reading(contract.CONNECTIONS, room.used)
    yield reading(contract.MOST_CONNECTIONS, room.most)
    for table in first(server.tables(), most=bounds.MOST_TABLES, key=lambda one: one.name):
        yield reading(contract.TABLE_BYTES, table.bytes, table.name)
        yield reading(contract.TABLE_ROWS, table.live, table.name, "live")
        yield reading(contract.TABLE_ROWS, table.dead, table.name, "dead")


def sums() -> Iterator[Reading]:
    """What became of jobs: two small tables."""
    for one in totals.sums():
        tally = one.tally
        if one.task:
            yield reading(contract.RECORDED, tally.recorded, one.task)
            for outcome in _OUTCOMES:
                yield reading(contract.ENDED, getattr(tally, outcome), one.task, outcome)
            yield reading(contract.RETRIED, tally.retried, one.task)
            yield spread(contract.RUN, tally.runs, tally.run_seconds, one.task)
        elif one.queue:
            yield reading(contract.QUEUE_RECORDED, tally.recorded, one.queue)
            for outcome in _OUTCOMES:
                yield reading(contract.QUEUE_ENDED, getattr(tally, outcome), one.queue, outcome)
            yield spread(contract.WAIT, tally.waits, seconds_in(tally.waits), one.queue)


def events() -> Iterator[Reading]:
    """How often something happened, and 0 of what has not."""
    told = counts.told()
    for name, metric in _COUNTS.items():
        for label in _LABELS.get(name, ("",)):
            value = told.get((name, label), 0)
            yield reading(metric, value, label) if label else reading(metric, value)


def failures() -> Iterator[Reading]:
    """What fails, by its cause."""
    for cause in gauges.latest_causes(limit=bounds.MOST_CAUSES):
        yield Reading(
            metric=contract.CAUSE,
            labels=(cause.task, cause.fingerprint),
            value=cause.failures,
            example=cause.job,
            example_at=cause.last_at,
        )
    letters = troubles.dead_letters(within=DAY, groups=bounds.MOST_LETTERS)
    yield reading(contract.DEAD_LETTERS, letters.open)
    for group in letters.groups:
        yield reading(contract.CAUSE_LETTERS, group.count, group.task, group.fingerprint)


def queues() -> Iterator[Reading]:
    """What waits and runs, queue by queue, and what is held."""
    every = queue_reads.queues(held=False)
    found = list(first(every, most=bounds.MOST_QUEUES, key=lambda one: one.name))
    for queue in found:
        yield reading(contract.QUEUED, queue.total, queue.name)
        yield reading(contract.OLDEST, queue.oldest_seconds or 0.0, queue.name)
        yield reading(contract.RUNNING, queue.running, queue.name)
        yield reading(contract.SERVED, len(queue.workers), queue.name)
        yield reading(contract.DESIRED, desired_workers(queue), queue.name)
        for priority, waiting in queue.waiting.items():
            yield reading(contract.PRIORITY_QUEUED, waiting, queue.name, str(priority))
        for priority, seconds in queue.oldest_by_priority.items():
            yield reading(contract.PRIORITY_OLDEST, seconds, queue.name, str(priority))
    yield from broker.messages([queue.name for queue in found])
    paused = [one for one in pauses.listed() if one.kind == pauses.QUEUE]
    for one in first(paused, most=bounds.MOST_QUEUES, key=lambda one: one.name):
        yield reading(contract.PAUSED, 1, one.name)
    held = gauges.held()
    yield reading(contract.HELD, held.held)
    yield reading(contract.OVERDUE, held.overdue)
    yield reading(contract.PUBLISH_LAG, held.overdue_seconds)


def workers() -> Iterator[Reading]:
    """Who works, and whether somebody acts for all."""
    living = worker_reads.workers()
    for state in WORKER_STATES:
        yield reading(contract.WORKERS, sum(one.state == state for one in living), state)
    yield reading(contract.WORKERS, len(gauges.silent_workers(within=LOST_WITHIN)), "lost")
    yield reading(contract.UPKEEP, gauges.duty_is_held(UPKEEP))
    claimed = worker_reads.running_by_worker()
    # Two incarnations of a name stand side by side for a moment: the one that began last is told.
    by_name = {one.name: one for one in sorted(living, key=lambda one: one.started_at)}
    for one in first(by_name.values(), most=bounds.MOST_WORKERS, key=lambda one: one.name):
        yield reading(contract.SLOTS, one.slots, one.name, one.pool)
        yield reading(contract.CLAIMED, claimed.get(one.id, 0), one.name)
        if one.beat_seconds is not None:
            yield reading(contract.BEAT, one.beat_seconds, one.name)
        if one.memory_bytes is not None:
            yield reading(contract.MEMORY, one.memory_bytes, one.name)
        if one.largest_bytes is not None:
            yield reading(contract.LARGEST, one.largest_bytes, one.name)


def schedules() -> Iterator[Reading]:
    """Whether what is due by the clock is decided."""
    living = schedulers.living()
    yield reading(contract.SCHEDULERS, len(living))
    yield reading(contract.SCHEDULER_LEADS, any(one.leads_since is not None for one in living))
    found = [one for one in listing.schedules() if one.enabled]
    yield reading(contract.SCHEDULES, len(found))
    for schedule in first(found, most=bounds.MOST_SCHEDULES, key=lambda one: one.name):
        yield reading(contract.SCHEDULE_OVERDUE, schedule.overdue_seconds, schedule.name)


def limits() -> Iterator[Reading]:
    """How full limits are."""
    for limit in shown.limits(many=bounds.MOST_LIMITS):
        if limit.bounds.concurrency is not None:
            yield reading(contract.LIMIT, limit.bounds.concurrency, limit.name)
        yield reading(contract.LIMIT_TAKEN, limit.taken, limit.name)
        yield reading(contract.LIMIT_WAITING, limit.waiting, limit.name)


PARTS = (
    Part(name="build", read=build, seconds=60.0, asks_database=False),
    Part(name="database", read=database, seconds=10.0),
    Part(name="sums", read=sums, seconds=10.0),
    Part(name="events", read=events, seconds=5.0),
    Part(name="failures", read=failures, seconds=15.0),
    Part(name="queues", read=queues, seconds=5.0),
    Part(name="workers", read=workers, seconds=2.0),
    Part(name="schedules", read=schedules, seconds=15.0),
    Part(name="limits", read=limits, seconds=10.0),
    Part(name="alerts", read=alerting.alerts, seconds=10.0),
    Part(name="broker", read=broker.numbers, seconds=5.0, asks_database=False),
)
