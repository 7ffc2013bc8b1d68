"""What rules look at: each kind of rule is a function that returns what is wrong now, at a bounded cost.

They ask the ledger what the console's overview asks. Runs in the process that has the duty, every half minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from celery import current_app

from holdfast import doctor
from holdfast.alerts.deciding import Sign
from holdfast.alerts.stated import LEVELS, Rule
from holdfast.alerts.tasks import OWN_TASK
from holdfast.dispatch import said
from holdfast.ledger.reads import health, queue_reads, rates, troubles
from holdfast.ledger.reads.rates import Point

# One rule tells of so many things at once.
MOST = 100
MOST_QUEUES = 50


def look(rule: Rule) -> list[Sign]:
    """Return what is wrong now by a rule."""
    found = list(_LOOKS[rule.when](rule))[: MOST + 1]
    if len(found) <= MOST:
        return found
    return [
        *found[:MOST],
        Sign(subject="more", summary=f"More than {MOST} things are wrong by this rule."),
    ]


def _dead_letters(rule: Rule) -> Iterator[Sign]:
    minutes = rule.asks["minutes"]
    groups = troubles.dead_letters(within=timedelta(minutes=minutes), groups=MOST).groups
    wanted = [
        group
        for group in groups
        if rule.matches("task", group.task)
        and (group.task != OWN_TASK or rule.asks["task"] == OWN_TASK)
    ]
    rules = said.of_jobs(current_app, {group.sample: group.task for group in wanted})
    for group in wanted:
        error = rules[group.sample].clean(group.error)
        yield Sign(
            subject=f"{group.task} {group.fingerprint}",
            summary=f"{group.task}: {_count(group.count, 'dead letter')} in {_minutes(minutes)}: {error}"[
                :500
            ],
            facts={"task": group.task, "count": group.count, "error": error, "job": group.sample},
            path=f"errors/{quote(group.fingerprint, safe='')}/",
        )


def _failure_rate(rule: Rule) -> Iterator[Sign]:
    span = timedelta(minutes=rule.asks["minutes"])
    for what, name, failed, ended in _ends(rule, span):
        if ended >= rule.asks["least"] and failed / ended > rule.asks["above"]:
            about = f"{what} {name}" if name else "all tasks"
            yield Sign(
                subject=about,
                summary=f"{about}: {failed} of {ended} jobs failed in {_minutes(rule.asks['minutes'])}, "
                f"{failed / ended:.0%}; the bound is {rule.asks['above']:.0%}.",
                facts={"failed": failed, "ended": ended, "share": round(failed / ended, 4)},
                path=_jobs(state="failed,dead", **({what: name} if name else {})),
            )


def _ends(rule: Rule, span: timedelta) -> Iterator[tuple[str, str, int, int]]:
    task, queue = rule.asks["task"], rule.asks["queue"]
    if _is_pattern(task):
        for one in rates.top_tasks(span, limit=2 * MOST):
            if rule.matches("task", one.task):
                yield "task", one.task, one.failed, one.ended
        return
    names = _queues(rule) if queue else [""]
    for name in names:
        whole = rates.series(span, task=task, queue=name).whole
        kind = "queue" if name else "task"
        yield kind, name or task, whole.failed, whole.failed + whole.succeeded


def _wait(rule: Rule) -> Iterator[Sign]:
    span = timedelta(minutes=rule.asks["minutes"])
    for name in _queues(rule):
        whole: Point = rates.series(span, queue=name).whole
        waited = whole.wait.p95
        if waited is not None and whole.ended >= rule.asks["least"] and waited > rule.asks["above"]:
            yield Sign(
                subject=f"queue {name}",
                summary=f"Queue {name}: jobs waited {_seconds(waited)} for a worker (p95 of "
                f"{_minutes(rule.asks['minutes'])}); the bound is {_seconds(rule.asks['above'])}.",
                facts={"queue": name, "wait_p95_seconds": round(waited, 1), "ended": whole.ended},
                path=f"queues/{quote(name, safe='/')}/",
            )


def _oldest(rule: Rule) -> Iterator[Sign]:
    for queue in queue_reads.queues(held=False):
        age = queue.oldest_seconds
        if rule.matches("queue", queue.name) and age is not None and age > rule.asks["above"]:
            yield Sign(
                subject=f"queue {queue.name}",
                summary=f"Queue {queue.name}: {_count(queue.total, 'job')} {'wait' if queue.total != 1 else 'waits'}, "
                f"the oldest for {_seconds(age)}; the bound is {_seconds(rule.asks['above'])}.",
                facts={"queue": queue.name, "waiting": queue.total, "oldest_seconds": round(age)},
                path=f"queues/{quote(queue.name, safe='/')}/",
            )


def _missed(rule: Rule) -> Iterator[Sign]:
    for one in troubles.missed(within=timedelta(minutes=rule.asks["minutes"])):
        if rule.matches("schedule", one.schedule):
            yield Sign(
                subject=f"{one.schedule} {one.outcome}",
                summary=f"Schedule {one.schedule}: {_count(one.count, 'occurrence')} {one.outcome}, "
                f"the last one due at {one.last_due_at:%Y-%m-%d %H:%M:%S} UTC.",
                facts={
                    "schedule": one.schedule,
                    "outcome": one.outcome,
                    "count": one.count,
                    "last_due_at": one.last_due_at.isoformat(),
                },
                path=f"schedules/{quote(one.schedule, safe='/')}/",
            )


def _workers(rule: Rule) -> Iterator[Sign]:
    for worker in health.workers():
        if not rule.matches("worker", worker.name):
            continue
        if worker.left_seconds < 0:
            words = f"has not been heard of for {_seconds(worker.lease_seconds - worker.left_seconds)}: frozen, or gone"
        elif worker.stalled_seconds is not None:
            words = (
                f"has taken nothing for {_seconds(worker.stalled_seconds)}, though there is work"
            )
        else:
            continue
        yield _of_worker(worker.name, words, host=worker.host, pid=worker.pid)
    for name, at in troubles.lost_workers(within=timedelta(minutes=rule.asks["minutes"])):
        if rule.matches("worker", name):
            yield _of_worker(name, f"was lost at {at:%H:%M:%S} UTC, and is not back")


def _of_worker(name: str, words: str, **facts: Any) -> Sign:
    return Sign(
        subject=f"worker {name}",
        summary=f"Worker {name} {words}.",
        facts={"worker": name, **facts},
        path="workers/",
    )


def _unserved(rule: Rule) -> Iterator[Sign]:
    for name in queue_reads.unserved_queues():
        if rule.matches("queue", name):
            yield Sign(
                subject=f"queue {name}",
                summary=f"Queue {name}: jobs wait, and no live worker takes them.",
                facts={"queue": name},
                path=f"queues/{quote(name, safe='/')}/",
            )


def _findings(rule: Rule) -> Iterator[Sign]:
    told = LEVELS[: LEVELS.index(rule.asks["level"]) + 1]
    for finding in doctor.examine().findings:
        if finding.severity.value in told and rule.matches("id", finding.id):
            yield Sign(
                subject=finding.id,
                summary=f"{finding.id} {finding.title}: {finding.evidence.splitlines()[0] if finding.evidence else ''}",
                facts={"id": finding.id, "repair": finding.repair},
                path="doctor/",
            )


_LOOKS: dict[str, Callable[[Rule], Iterable[Sign]]] = {
    "dead_letter": _dead_letters,
    "failure_rate": _failure_rate,
    "wait": _wait,
    "oldest": _oldest,
    "missed": _missed,
    "worker": _workers,
    "unserved": _unserved,
    "finding": _findings,
}


def _queues(rule: Rule) -> list[str]:
    """Return the queues that a rule is about: the one it names, or those that are there, 50 at most."""
    if not _is_pattern(rule.asks["queue"]):
        return [rule.asks["queue"]]
    names = [queue.name for queue in queue_reads.queues(held=False)]
    return [name for name in names if rule.matches("queue", name)][:MOST_QUEUES]


def _is_pattern(text: str) -> bool:
    return any(letter in text for letter in "*?[")


def _jobs(**filters: str) -> str:
    words = " ".join(f"{key}:{value}" for key, value in filters.items())
    return f"jobs/?{urlencode({'q': words})}"


def _count(many: int, word: str) -> str:
    return f"{many} {word}" if many == 1 else f"{many} {word}s"


def _minutes(many: float) -> str:
    return _count(round(many), "minute")


def _seconds(many: float) -> str:
    if many < 120:
        return f"{many:.0f} s"
    return f"{many / 60:.0f} min" if many < 7200 else f"{many / 3600:.1f} h"
