"""Jobs that do not end as they should: stuck, too long, poison, lost, dead by the dozen, expired, never told, kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, lasting, named, shortened

STUCK = define(
    "holdfast.E611",
    title="Jobs run by the ledger, and their worker is gone",
    leads_to="They wait for a rescue that does not come; who waits for their results waits as long.",
    repair="Start a worker: it gives them back after a lease and a sweep. If one lives, read its log for 'rescue'.",
)
TOO_LONG = define(
    "holdfast.W612",
    title="A job runs far longer than its task usually does",
    leads_to="It keeps its slot, and whatever it has locked or taken of a limit.",
    repair="See what it does: manage.py holdfast jobs show ID. End it: manage.py holdfast cancel ID. Give the task "
    "a time_limit.",
)
BEYOND_LIMIT = define(
    "holdfast.E613",
    title="A job runs on beyond its time limit",
    leads_to="Nobody ends it: the pools solo and threads cannot, and native code hears no signal.",
    repair="Cancel it: manage.py holdfast cancel ID. Run the task on the prefork pool.",
)
POISON = define(
    "holdfast.W614",
    title="Jobs are dead because their worker was lost each time",
    leads_to="The task, or what it is given, kills its process: it does so again when it is replayed.",
    repair="Look for the cause first: memory (worker_max_memory_per_child, the limit of the container), native code. "
    "Then manage.py holdfast dead-letters replay --task TASK --reason poison.",
)
UNKNOWN = define(
    "holdfast.E615",
    title="Jobs are dead because a worker did not know their task",
    leads_to="Whatever was sent under this name does not run: producers and workers have different code.",
    repair="Deploy workers before producers. Then manage.py holdfast dead-letters replay --reason 'unknown task'.",
)
MANY_DEAD = define(
    "holdfast.W616",
    title="Many jobs have failed for one cause",
    leads_to="It goes on until the cause is mended; the jobs are kept for a replay.",
    repair="See the error: manage.py holdfast dead-letters list --fingerprint FINGERPRINT. Then replay the group.",
)
MANY_LOST = define(
    "holdfast.W617",
    title="Attempts are lost again and again",
    leads_to="Work is done twice, and jobs become dead after the third loss.",
    repair="Look at how the workers end: kill -9, out of memory (dmesg), a grace period that is too short, a database "
    "that was away for longer than a lease.",
)
UNTOLD = define(
    "holdfast.W618",
    title="Jobs have ended, and those who wait for them are not told",
    leads_to="Chords, chains and callbacks behind them do not go on.",
    repair="A live worker tells them within a sweep. If one lives, read its log for 'settle'.",
)
EXPIRED = define(
    "holdfast.W619",
    title="Jobs expire before they run",
    leads_to="What they were for does not happen.",
    repair="Run more slots for their queue, give them a priority, or a longer expires.",
)
KEPT_TOO_LONG = define(
    "holdfast.W620",
    title="Finished jobs are kept beyond their retention",
    leads_to="The ledger grows without bound.",
    repair="The worker with the duty deletes them: does one live? If it cannot keep up, raise "
    'HOLDFAST["prune_batch"].',
)
FORGED = define(
    "holdfast.W621",
    title="Messages came over the broker that were not ours",
    leads_to="Somebody can write to the broker. With HOLDFAST['unsigned'] = 'refuse' they do not run.",
    repair="See them: manage.py holdfast security. Give the broker a password and a network of its own, and set "
    "HOLDFAST['unsigned'] = 'refuse'.",
)
HOUR, DAY = 3600.0, 86400.0
FEWEST_ALIKE = 10
FEWEST_LOST = 5
FEWEST_EXPIRED = 5
# How many runs tell what is usual, and how much longer than nearly all of them is too long.
FEWEST_RUNS = 20
TIMES_LONGER = 5.0
SHORTEST_LONG = 60.0
UNTOLD_SECONDS = 60.0


@probe(area="jobs", finds=[STUCK], after=["settings", "tables"])
def running_jobs_have_a_worker(look: Look) -> Iterator[Finding]:
    """Running jobs of workers that are gone, which should have been given back by now."""
    from holdfast.ledger.reads import health

    lease = look.settings.lease_seconds
    patience = 2 * lease + 2 * look.settings.sweep_seconds
    if jobs := health.abandoned(seconds=patience):
        yield STUCK.seen(
            f"{counted(len(jobs), 'job', most=500)} run, and their worker has been gone for more than "
            f"{lasting(patience)}: {named(jobs)}.",
            jobs=shortened(jobs),
        )


@probe(area="jobs", finds=[TOO_LONG, BEYOND_LIMIT], after=["settings", "tables"])
def running_jobs_take_their_time(look: Look) -> Iterator[Finding]:
    """How long each job has run, against its time limit and against the latest runs of its task."""
    from holdfast.ledger.reads import health

    # One that has run for less is neither.
    running = [job for job in health.running() if job.seconds > look.settings.lease_seconds]
    times = health.run_times() if running else {}
    for job in running:
        what = f"{job.id} of {job.task!r} has run for {lasting(job.seconds)}"
        values: dict[str, Any] = {
            "about": job.id,
            "job": job.id,
            "task": job.task,
            "seconds": round(job.seconds),
        }
        limit = _limit(look.app, job.task)
        usual = sorted(times.get(job.task, ()))
        nearly_all = usual[int(len(usual) * 0.99)] if len(usual) >= FEWEST_RUNS else None
        if limit is not None and job.seconds > limit + look.settings.lease_seconds:
            yield BEYOND_LIMIT.seen(
                f"{what}; its time limit is {lasting(limit)}.",
                repair=f"manage.py holdfast cancel {job.id}",
                **values,
            )
        elif nearly_all is not None and job.seconds > max(SHORTEST_LONG, TIMES_LONGER * nearly_all):
            yield TOO_LONG.seen(
                f"{what}; 99 of 100 of its latest {len(usual):,} runs took {lasting(nearly_all)} at most.",
                repair=f"manage.py holdfast cancel {job.id}",
                usual_seconds=nearly_all,
                **values,
            )


def _limit(app: Any, task: str) -> float | None:
    known = app.tasks.get(task)
    limit = getattr(known, "time_limit", None) or app.conf.task_time_limit
    return float(limit) if limit else None


@probe(area="jobs", finds=[POISON, UNKNOWN, MANY_DEAD], after=["settings", "tables"])
def few_jobs_die(look: Look) -> Iterator[Finding]:
    """What has failed or died of late, by its cause."""
    del look
    from holdfast.ledger.reads import health
    from holdfast.ledger.states import Reason

    ends = health.dead_of_late(seconds=DAY)
    for reason, definition in ((Reason.POISON, POISON), (Reason.UNKNOWN_TASK, UNKNOWN)):
        for one in (end for end in ends if end.reason == reason):
            yield definition.seen(
                f"{counted(one.count, 'job')} of {one.task!r} in {one.queue!r} in the last day.",
                about=f"{one.task} {one.queue}",
                task=one.task,
                queue=one.queue,
                count=one.count,
            )
    causes: Counter[tuple[str, str]] = Counter()
    for one in health.dead_of_late(seconds=HOUR):
        if one.fingerprint and one.reason not in {Reason.POISON, Reason.UNKNOWN_TASK}:
            causes[one.task, one.fingerprint] += one.count
    for (task, fingerprint), count in causes.most_common():
        if count >= FEWEST_ALIKE:
            yield MANY_DEAD.seen(
                f"{counted(count, 'job')} of {task!r} in the last hour, all with the fingerprint {fingerprint}.",
                repair=f"manage.py holdfast dead-letters list --fingerprint {fingerprint}",
                about=fingerprint,
                task=task,
                fingerprint=fingerprint,
                count=count,
            )


@probe(area="jobs", finds=[MANY_LOST], after=["settings", "tables"])
def few_attempts_are_lost(look: Look) -> Iterator[Finding]:
    """How many attempts were lost in the last hour, and with which workers."""
    del look
    from holdfast.ledger.reads import health

    lost = health.lost_of_late(seconds=HOUR)
    if lost.total() >= FEWEST_LOST:
        by = named(f"{name} {count}" for name, count in lost.most_common())
        yield MANY_LOST.seen(
            f"{counted(lost.total(), 'attempt')} in the last hour, by worker: {by}.",
            count=lost.total(),
            workers=dict(lost.most_common(20)),
        )


@probe(area="jobs", finds=[UNTOLD], after=["settings", "tables"])
def ends_are_told(look: Look) -> Iterator[Finding]:
    """Jobs that ended without their own attempt, and whose waiters nobody has told."""
    del look
    from holdfast.ledger.reads import health

    count, seconds = health.untold(seconds=UNTOLD_SECONDS)
    if count:
        yield UNTOLD.seen(
            f"{counted(count, 'job', most=health.MOST)} for more than {lasting(UNTOLD_SECONDS)}, the first for "
            f"{lasting(seconds)}.",
            count=count,
            seconds=round(seconds),
        )


@probe(area="jobs", finds=[EXPIRED], after=["settings", "tables"])
def few_jobs_expire(look: Look) -> Iterator[Finding]:
    """What expired unrun in the last hour."""
    del look
    from holdfast.ledger.reads import health

    for one in health.expired_of_late(seconds=HOUR):
        if one.count >= FEWEST_EXPIRED:
            yield EXPIRED.seen(
                f"{counted(one.count, 'job')} of {one.task!r} in {one.queue!r} in the last hour.",
                about=f"{one.task} {one.queue}",
                task=one.task,
                queue=one.queue,
                count=one.count,
            )


@probe(area="jobs", finds=[KEPT_TOO_LONG], after=["settings", "tables"])
def finished_jobs_are_deleted(look: Look) -> Iterator[Finding]:
    """Whether jobs are older than `result_expires` and an hour."""
    from holdfast.ledger.reads import health

    expires = look.conf.result_expires
    kept = expires.total_seconds() if isinstance(expires, timedelta) else float(expires or 0)
    if not kept:
        return
    count, seconds = health.outlived(seconds=kept + HOUR)
    if count:
        yield KEPT_TOO_LONG.seen(
            f"{counted(count, 'finished job', most=health.MOST)} are older than CELERY_RESULT_EXPIRES "
            f"({lasting(kept)}) by more than an hour, the oldest ended {lasting(seconds)} ago.",
            count=count,
            seconds=round(seconds),
        )


@probe(area="jobs", finds=[FORGED], after=["settings", "tables"])
def messages_are_ours(look: Look) -> Iterator[Finding]:
    """Security events of the last day, by kind."""
    from holdfast.ledger import security

    events = security.lines(since=look.now() - timedelta(seconds=DAY), limit=1000)
    counts: Counter[tuple[str, bool]] = Counter()
    for event in events:
        counts[event.kind, event.accepted] += event.count
    for (kind, accepted), count in counts.most_common():
        done = "and were run all the same" if accepted else "and were refused"
        yield FORGED.seen(
            f"{counted(count, 'message')} of the kind {kind!r} came in the last day, {done}.",
            about=f"{kind} {accepted}",
            kind=kind,
            count=count,
            accepted=accepted,
        )
