"""The workers by the ledger: whether any lives, whether it takes what comes, whether its heartbeat is in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, lasting, named, shortened

NO_WORKER = define(
    "holdfast.E501",
    title="No worker lives, and jobs wait",
    leads_to="Nothing runs. What is sent is kept in the ledger until a worker takes it.",
    repair="Start one: celery -A PROJECT worker. If one seems to run, it cannot reach the database: read its log.",
)
STALLED = define(
    "holdfast.E502",
    title="A worker is alive and takes nothing",
    leads_to="Jobs of its queues wait for other workers, if there are any. It connects anew by itself, or ends for "
    "its supervisor.",
    repair="Read its log for what it says of a stall. If it does not end by itself, restart it.",
)
LATE_BEATS = define(
    "holdfast.W503",
    title="A worker's heartbeat is late",
    leads_to="When its lease runs out its jobs are given to others, and what it does then counts for nothing.",
    repair="Look at its host: a process that is frozen, native code that holds the GIL, a CPU or a database that is "
    "overloaded. See docs/guides/workers.md.",
)
GONE_UNSEEN = define(
    "holdfast.E504",
    title="A worker is gone, and nobody has declared it lost",
    leads_to="Its running jobs are given back by a worker that lives: there is none, or it may not judge yet.",
    repair="Start a worker. If one lives, wait for a lease; then read its log for why it does not judge.",
)
NO_UPKEEP = define(
    "holdfast.E505",
    title="Nobody holds the duty of the upkeep, though workers live",
    leads_to="Nothing is published that becomes due or was lost from the broker, nothing is settled or deleted.",
    repair="Read the workers' logs for the loops relay and sweep; restart the workers one by one.",
)
UNUSED = define(
    "holdfast.W506",
    title="A worker serves a queue that nobody sends to",
    leads_to="Its slots wait for nothing; the queue that was meant may have no worker.",
    repair="Correct the -Q of the worker, or the queue in CELERY_TASK_ROUTES.",
)
SAME_NAME = define(
    "holdfast.W507",
    title="Several live workers have the same name",
    leads_to="Remote control and events take them for one: inspect shows one of them, and a shutdown ends all.",
    repair="Start each with a name of its own: -n worker1@%h.",
)


def late_by(left: float, lease: float) -> float:
    """Return by how many seconds a heartbeat is late: it comes each 0.4 of a lease, and one may fail."""
    return lease * 0.2 - left


@probe(area="workers", finds=[NO_WORKER, GONE_UNSEEN], after=["settings", "tables"])
def a_worker_lives(look: Look) -> Iterator[Finding]:
    """Whether jobs wait that nobody can take, and workers that went without a word."""
    from holdfast.ledger.reads import health, queries

    workers = health.workers()
    living = [worker for worker in workers if worker.left_seconds > 0]
    look.facts["workers.live"] = len(living)
    lists = sorted({queue for queue, _ in queries.queued_lists()})
    if lists and not living:
        yield NO_WORKER.seen(
            f"Jobs wait in {counted(len(lists), 'queue')} ({named(lists)}), and no worker's lease stands.",
            repair=f"celery -A PROJECT worker -Q {','.join(lists)}",
            queues=shortened(lists),
        )
    for worker in workers:
        # Its lease, then a lease in which nobody judges, then a sweep.
        if worker.left_seconds < -(worker.lease_seconds + 2 * look.settings.sweep_seconds):
            yield GONE_UNSEEN.seen(
                f"{worker.name} (process {worker.pid} on {worker.host}) has not renewed its lease since "
                f"{lasting(worker.lease_seconds - worker.left_seconds)}, and is neither stopped nor lost.",
                about=worker.name,
                worker=worker.name,
                pid=worker.pid,
                host=worker.host,
            )


@probe(area="workers", finds=[STALLED, LATE_BEATS, SAME_NAME], after=["settings", "tables"])
def workers_are_well(look: Look) -> Iterator[Finding]:
    """What each live worker told with its last heartbeat, and how long ago that was."""
    del look
    from holdfast.ledger.reads import health

    living = [worker for worker in health.workers() if worker.left_seconds > 0]
    for worker in living:
        who = f"{worker.name} (process {worker.pid} on {worker.host})"
        values: dict[str, Any] = {"about": worker.name, "worker": worker.name, "pid": worker.pid}
        if worker.stalled_seconds is not None:
            yield STALLED.seen(
                f"{who} has taken nothing for {lasting(worker.stalled_seconds)} though it has room; it serves "
                f"{named(worker.queues)}.",
                stalled_seconds=round(worker.stalled_seconds, 1),
                **values,
            )
        if late_by(worker.left_seconds, worker.lease_seconds) > 0:
            yield LATE_BEATS.seen(
                f"{who} renewed its lease of {lasting(worker.lease_seconds)} last "
                f"{lasting(worker.lease_seconds - worker.left_seconds)} ago, and does so each "
                f"{lasting(worker.lease_seconds * 0.4)}: {lasting(worker.left_seconds)} are left.",
                left_seconds=round(worker.left_seconds, 1),
                **values,
            )
    names = [worker.name for worker in living]
    for name in sorted({name for name in names if names.count(name) > 1}):
        where = named(f"{one.pid} on {one.host}" for one in living if one.name == name)
        yield SAME_NAME.seen(f"{name}: processes {where}.", about=name, worker=name)


@probe(area="workers", finds=[NO_UPKEEP], after=["settings", "tables"])
def upkeep_is_held(look: Look) -> Iterator[Finding]:
    """Whether one of the live workers does what is done for all."""
    from holdfast.ledger.duty import UPKEEP
    from holdfast.ledger.reads import health

    lease = look.settings.lease_seconds
    # One that has only just come may not have looked yet.
    settled = [
        worker
        for worker in health.workers()
        if worker.left_seconds > 0 and worker.age_seconds > 2 * lease
    ]
    duty = health.duty(UPKEEP)
    if not settled or (duty is not None and duty.over_seconds <= 2 * lease and duty.holder):
        return
    since = (
        "Nobody has held it yet"
        if duty is None
        else (
            f"It ran out {lasting(duty.over_seconds)} ago"
            if duty.over_seconds > 0
            else "Its last holder has left it"
        )
    )
    yield NO_UPKEEP.seen(
        f"{since}, and {counted(len(settled), 'worker')} live: {named(one.name for one in settled)}."
    )


@probe(area="workers", finds=[UNUSED], after=["settings", "tables"])
def queues_of_workers_are_sent_to(look: Look) -> Iterator[Finding]:
    """Queues that a worker serves and that no route, no task, no schedule and no waiting job names."""
    from holdfast.doctor.sending import queues_sent_to
    from holdfast.ledger.reads import health, queries

    living = [worker for worker in health.workers() if worker.left_seconds > 0]
    served = {queue for worker in living for queue in worker.queues}
    waiting = {queue for queue, _ in queries.queued_lists()}
    of_late = set(health.flows(seconds=3600.0))
    for queue in sorted(served - waiting - of_late - queues_sent_to(look)):
        by = named(worker.name for worker in living if queue in worker.queues)
        yield UNUSED.seen(
            f"{queue!r} is served by {by}; no route, task or schedule of this code names it, and nothing came in the "
            "last hour.",
            about=queue,
            queue=queue,
        )
