"""What waits by the ledger: queues without a worker, queues that grow, pauses and limits that nobody thinks of."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote
from typing import Any

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, lasting, named, shortened

UNSERVED = define(
    "holdfast.E601",
    title="Jobs wait in a queue that no worker serves, though others live",
    leads_to="They wait until one does, or until they expire.",
    repair="Start a worker with -Q QUEUE, or correct the queue in CELERY_TASK_ROUTES.",
)
GROWS = define(
    "holdfast.W602",
    title="A queue takes in more than it gets done",
    leads_to="Its jobs wait longer and longer.",
    repair="Run more slots for it (-c, or more workers with -Q QUEUE), or send less.",
)
SLOW_TO_EMPTY = define(
    "holdfast.W603",
    title="A queue needs long to be empty again",
    leads_to="What is sent now waits for about as long.",
    repair="Run more slots for it until it is empty, or give what is urgent a queue of its own or a priority.",
)
LONG_PAUSE = define(
    "holdfast.W604",
    title="Something has been paused for long",
    leads_to="Its jobs are held until somebody resumes it; those with expires end unrun. A schedule makes none.",
    repair="manage.py holdfast resume, with --queue, --task or --schedule and its name.",
)
LONG_LINE = define(
    "holdfast.W605",
    title="The line at a limit is longer than its rate lets in within a day",
    leads_to="The last in it wait for days, or expire.",
    repair="Raise its rate: manage.py holdfast limits NAME --set --rate 100/m, or send less.",
)
UNKNOWN_TASK = define(
    "holdfast.E606",
    title="Jobs wait whose task this code does not have",
    leads_to="A worker with this code buries them: they become dead with the reason 'unknown task'.",
    repair="Let the task be known: its module must be imported by the app (autodiscover_tasks, CELERY_IMPORTS), under "
    "the same name. If it was renamed, keep the old name until no job of it waits.",
)
OVERDUE = define(
    "holdfast.E607",
    title="Jobs are due, and nobody publishes them",
    leads_to="ETAs, retries and what was sent while the broker was away do not run.",
    repair="Is a worker alive, and does the broker take messages? The worker with the duty publishes them: read its "
    "log for 'relay'.",
)
WINDOW = 60.0
FEWEST_WAITING = 100
LONGEST_DRAIN = 3600.0
PAUSE_SECONDS = 86400.0
DAY = 86400.0


@probe(area="queues", finds=[UNSERVED], after=["settings", "tables"])
def queues_are_served(look: Look) -> Iterator[Finding]:
    """Queues with waiting jobs, against the queues of the workers whose lease stands, where there is one."""
    del look
    from holdfast.ledger.reads import health, queue_reads

    if not any(worker.left_seconds > 0 for worker in health.workers()):
        return  # holdfast.E501 says it once for all queues
    for queue in queue_reads.queues():
        if not queue.unserved:
            continue
        at_least = "at least " if queue.more else ""
        verb = "waits" if queue.total == 1 else "wait"
        since = f", the oldest for {lasting(queue.oldest_seconds)}" if queue.oldest_seconds else ""
        yield UNSERVED.seen(
            f"{at_least}{counted(queue.total, 'job')} {verb} in {queue.name!r}{since}, and no live worker serves it.",
            repair=f"celery -A PROJECT worker -Q {queue.name}",
            about=queue.name,
            queue=queue.name,
            waiting=queue.total,
        )


@probe(area="queues", finds=[GROWS, SLOW_TO_EMPTY], after=["settings", "tables"], seconds=4.0)
def queues_are_drained(look: Look) -> Iterator[Finding]:
    """What came into each queue in the last minute, what was got done, and how long the rest will take."""
    from holdfast.ledger.reads import health

    flows = health.flows(seconds=WINDOW)
    look.facts["queues.flows"] = {
        name: {"waiting": flow.waiting, "arrived": flow.arrived, "ended": flow.ended}
        for name, flow in flows.items()
    }
    for name, flow in flows.items():
        if flow.waiting < FEWEST_WAITING:
            continue
        values: dict[str, Any] = {
            "about": name,
            "queue": name,
            "waiting": flow.waiting,
            "arrived": flow.arrived,
            "ended": flow.ended,
        }
        waiting = counted(flow.waiting, "job", most=health.MOST)
        if flow.arrived > flow.ended:
            yield GROWS.seen(
                f"{name!r}: in the last minute {flow.arrived:,} came and {flow.ended:,} ended; {waiting} wait, and "
                f"as it goes it is never empty. It grows by {flow.arrived - flow.ended:,} a minute.",
                **values,
            )
        elif flow.ended > flow.arrived:
            seconds = flow.waiting / (flow.ended - flow.arrived) * WINDOW
            if seconds > LONGEST_DRAIN:
                yield SLOW_TO_EMPTY.seen(
                    f"{name!r}: {waiting} wait; in the last minute {flow.ended:,} ended and {flow.arrived:,} came: "
                    f"empty in {lasting(seconds)}.",
                    seconds=round(seconds),
                    **values,
                )


@probe(area="queues", finds=[LONG_PAUSE], after=["settings", "tables"])
def pauses_are_short(look: Look) -> Iterator[Finding]:
    """What has been paused for more than a day, by whom, and how many jobs wait for its end."""
    from holdfast.ledger import pauses
    from holdfast.ledger.reads import health

    now = look.now()
    for paused in pauses.listed():
        seconds = (now - paused.at).total_seconds()
        if seconds < PAUSE_SECONDS:
            continue
        if paused.kind == pauses.SCHEDULE:
            means = "its due times are skipped"
        else:
            held = health.shelved(**{paused.kind: paused.name})
            means = f"{counted(held, 'job', most=health.MOST)} are held for it"
        by = f" by {paused.by}" if paused.by else ""
        why = f" ({paused.reason})" if paused.reason else ""
        yield LONG_PAUSE.seen(
            f"The {paused.kind} {paused.name!r} was paused{by}{why} {lasting(seconds)} ago; {means}.",
            repair=f"manage.py holdfast resume --{paused.kind} {quote(paused.name)}",
            about=f"{paused.kind} {paused.name}",
            kind=paused.kind,
            name=paused.name,
            seconds=round(seconds),
        )


@probe(area="queues", finds=[LONG_LINE], after=["settings", "tables"])
def lines_at_limits_move(look: Look) -> Iterator[Finding]:
    """How long the line at each limit with a rate will take."""
    del look
    from holdfast.ledger.limiting import limits, line_reads

    for row in limits.find():
        rate = row.bounds.per_second
        if rate is None:
            continue
        _, waiting = line_reads.counts(row.name)
        seconds = waiting / rate
        if seconds > DAY:
            yield LONG_LINE.seen(
                f"{counted(waiting, 'job', most=line_reads.MOST_COUNTED)} wait at {row.name!r}, which lets in "
                f"{row.bounds.rate}: {lasting(seconds)}.",
                about=row.name,
                limit=row.name,
                waiting=waiting,
                seconds=round(seconds),
            )


@probe(area="queues", finds=[UNKNOWN_TASK], after=["settings", "tables"])
def waiting_tasks_are_known(look: Look) -> Iterator[Finding]:
    """Whether this code has the task of each job that waits."""
    from holdfast.doctor.sending import FOREIGN, project_tasks
    from holdfast.ledger.reads import health

    known = project_tasks(look)
    missing: dict[str, list[tuple[str, int]]] = {}
    for (queue, task), count in health.waiting_tasks().items():
        if task not in known and not task.startswith(FOREIGN):
            missing.setdefault(task, []).append((queue, count))
    for task, places in sorted(missing.items()):
        queues = sorted({queue for queue, _ in places})
        yield UNKNOWN_TASK.seen(
            f"{counted(sum(count for _, count in places), 'job')} of {task!r} wait in {named(queues)}; this code has "
            f"{counted(len(known), 'task')}, and not this one.",
            about=task,
            task=task,
            queues=shortened(queues),
        )


@probe(area="queues", finds=[OVERDUE], after=["settings", "tables"])
def due_jobs_are_published(look: Look) -> Iterator[Finding]:
    """Whether held jobs leave when their time comes."""
    from holdfast.ledger.reads import health

    patience = max(30.0, look.settings.grace_seconds + 2 * look.settings.sweep_seconds)
    count, seconds = health.overdue(seconds=patience)
    if count:
        yield OVERDUE.seen(
            f"{counted(count, 'job', most=health.MOST)} were due more than {lasting(patience)} ago, the first "
            f"{lasting(seconds)} ago.",
            count=count,
            seconds=round(seconds),
        )
