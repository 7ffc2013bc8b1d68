"""The schedules as they are written: entries that cannot run, that call what cannot be called, that meet each other."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, named, shortened

UNREADABLE = define(
    "holdfast.E631",
    title="An entry of the schedules cannot be read",
    leads_to="No scheduler starts: nothing of it is fired, nor of any other.",
    repair="Correct the entry that is named.",
)
NO_TASK = define(
    "holdfast.E632",
    title="A schedule names a task that this code does not have",
    leads_to="Each of its jobs becomes dead with the reason 'unknown task'.",
    repair="Correct the name of the task, or let its module be imported (autodiscover_tasks, CELERY_IMPORTS).",
)
MISFIT = define(
    "holdfast.E633",
    title="A schedule calls its task with what it does not take",
    leads_to="Each of its jobs fails with a TypeError.",
    repair="Correct args and kwargs of the entry.",
)
CROWDED = define(
    "holdfast.W634",
    title="Many schedules are due in the same minute",
    leads_to="Their jobs wait for each other, and what they ask of others comes all at once.",
    repair="Spread them over the hour: crontab(minute=7), crontab(minute=23), ... in place of crontab(minute=0).",
)
ALIKE = define(
    "holdfast.W635",
    title="Two schedules do the same at the same times",
    leads_to="Everything is done twice.",
    repair="Remove one of them. An entry of the settings and a row of the admin with different names are two.",
)
STOCK_SCHEDULER = define(
    "holdfast.W636",
    title="celery beat would start with a scheduler that is not Holdfast's",
    leads_to="A second one sends each job twice, and what is due while none runs is forgotten.",
    repair='Set CELERY_BEAT_SCHEDULER = "holdfast.beat:Scheduler".',
)
MOST_AT_ONCE = 10
# Occurrences looked at of one schedule; those that are due more often than hourly meet everything anyhow.
MOST_DUES = 24


@probe(area="schedules", finds=[UNREADABLE, STOCK_SCHEDULER], live=False)
def schedules_can_be_read(look: Look) -> Iterator[Finding]:
    """The entries of `CELERY_BEAT_SCHEDULE`, and who would run them."""
    from holdfast.beat.rules import rule_of
    from holdfast.exceptions import ConfigurationError

    written = look.conf.beat_schedule or {}
    for name, entry in written.items():
        try:
            rule_of(name, entry, look.app)
        except ConfigurationError as error:
            yield UNREADABLE.seen(str(error), about=name, schedule=name)
    scheduler = str(look.conf.beat_scheduler or "")
    if written and not scheduler.startswith("holdfast."):
        yield STOCK_SCHEDULER.seen(
            f"CELERY_BEAT_SCHEDULER is {scheduler!r}, and there are {counted(len(written), 'schedule')}.",
            scheduler=scheduler,
        )


@probe(area="schedules", finds=[NO_TASK, MISFIT], live=False)
def schedules_call_what_is_there(look: Look) -> Iterator[Finding]:
    """Whether the task of each schedule is known, and takes the arguments that are written."""
    from holdfast.doctor.sending import project_tasks

    tasks = {**project_tasks(look), **look.app.tasks}
    for name, entry in (look.conf.beat_schedule or {}).items():
        task = entry.get("task") if isinstance(entry, dict) else None
        if not task:
            continue
        if task not in tasks:
            yield NO_TASK.seen(
                f"{name!r} calls {task!r}.", about=name, schedule=name, task=str(task)
            )
            continue
        if why := _refusal(tasks[task], entry):
            yield MISFIT.seen(
                f"{name!r} calls {task}{_written(entry)}: {why}.",
                about=name,
                schedule=name,
                task=task,
            )


@probe(area="schedules", finds=[CROWDED, ALIKE], live=False, seconds=4.0)
def schedules_keep_apart(look: Look) -> Iterator[Finding]:
    """Which schedules are due in one minute of the next day, and which do the same."""
    rules = list(_rules(look))
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for rule in rules:
        called = json.dumps([rule.args, rule.kwargs, rule.options], default=repr, sort_keys=True)
        alike[rule.task, rule.timing.text, called].append(rule.name)
    for (task, timing, _), names in alike.items():
        if len(names) > 1:
            yield ALIKE.seen(
                f"{named(map(repr, names))} call {task!r} with the same arguments, {timing}.",
                about=task,
                schedules=shortened(names),
                task=task,
            )
    at: dict[datetime, set[str]] = defaultdict(set)
    for rule in rules:
        for due in _dues(rule):
            at[due.replace(second=0, microsecond=0)].add(rule.name)
    worst = max(at.items(), key=lambda one: (len(one[1]), -one[0].timestamp()), default=None)
    if worst is not None and len(worst[1]) >= MOST_AT_ONCE:
        minute, names_at = worst
        yield CROWDED.seen(
            f"{len(names_at)} of {len(rules)} are due at {minute:%H:%M} UTC: {named(sorted(names_at))}.",
            minute=minute.isoformat(),
            schedules=shortened(sorted(names_at)),
        )


def _rules(look: Look) -> Iterator[Any]:
    from holdfast.beat.rules import rule_of
    from holdfast.exceptions import ConfigurationError

    for name, entry in (look.conf.beat_schedule or {}).items():
        try:
            yield rule_of(name, entry, look.app)
        except ConfigurationError:
            continue  # said by another probe


def _dues(rule: Any) -> Iterator[datetime]:
    """Yield when a rule is due in the next day: none for an interval, which begins when a scheduler first sees it."""
    from holdfast.beat.timing import Interval

    if isinstance(rule.timing, Interval):
        return
    now = datetime.now(UTC)
    found: list[datetime] = []
    due = rule.due_after(now, anchor=now)
    while due is not None and due < now + timedelta(days=1):
        found.append(due)
        if len(found) > MOST_DUES:
            return
        due = rule.due_after(due, anchor=now)
    yield from found


def _refusal(task: Any, entry: dict[str, Any]) -> str:
    """Return why Python would refuse the call; empty if it fits, or nobody can tell."""
    import inspect

    try:
        signature = inspect.signature(task.run)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*(entry.get("args") or ()), **(entry.get("kwargs") or {}))
    except TypeError as error:
        return str(error)
    return ""


def _written(entry: dict[str, Any]) -> str:
    args = [repr(value) for value in entry.get("args") or ()]
    return f"({', '.join([*args, *(f'{key}=...' for key in entry.get('kwargs') or {})])})"
