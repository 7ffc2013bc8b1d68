"""How an occurrence becomes a job: the decision, its row and the job in one transaction of the ledger's database."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from celery.beat import BeatLazyFunc
from celery.result import AsyncResult
from django.db import transaction

from holdfast import events
from holdfast.beat import tables
from holdfast.beat.rules import Rule
from holdfast.conf import get_settings
from holdfast.exceptions import UniqueConflict
from holdfast.ledger import schedules
from holdfast.ledger.connections.watchdog import answer_within
from holdfast.ledger.database import alias, atomic, dialect
from holdfast.ledger.ids import new_id
from holdfast.ledger.schedules import Decided, Decision

logger = logging.getLogger("holdfast.beat")
RUN_NOW = "run now"
JOB_WAS_THERE = "the job was there: its call is unique"
# A connection that is silent for longer is cut; the decision is read again.
ANSWER_SECONDS = 12.0


def fire(app: Any, rule: Rule, due_at: datetime, *, since: datetime, mark: str) -> bool:
    """Make the job of an occurrence, once whoever else tries; False: somebody else has decided it.

    Of a schedule that is paused the occurrence is skipped.
    A process that dies before the commit has made nothing, and another one fires; after it the job is in the
    ledger, and is published like any other.
    """
    arguments = _arguments(rule)
    decided = Decided(due_at=due_at, outcome=Decision.FIRED, job=new_id())
    with _deciding(mark):
        new = schedules.decide(rule.name, since=since, decided=[decided])
        if new is None:
            return False
        if not new:
            logger.warning("Schedule %r: its occurrence at %s has its job", rule.name, due_at)
            return True
        (decided,) = new
        if decided.outcome == Decision.FIRED:
            decided = _fired(app, rule, arguments, decided)
    _tell(rule, decided)
    return True


def pass_over(rule: Rule, decided: Sequence[Decided], *, since: datetime, mark: str) -> bool:
    """Write that occurrences make no job, and why; False: somebody else has decided them."""
    with _deciding(mark):
        new = schedules.decide(rule.name, since=since, decided=decided)
    for one in new or ():
        _tell(rule, one)
    return new is not None


@contextmanager
def _deciding(mark: str) -> Iterator[None]:
    """Open the transaction of a decision.

    A leader frozen in here holds the row of its schedule: by the mark the next leader finds the transaction, and
    ends it.
    """
    with answer_within(ANSWER_SECONDS), atomic():
        dialect().mark_transaction(mark)
        yield


def fire_now(app: Any, rule: Rule) -> AsyncResult[Any]:
    """Make a job of a schedule beside its due times; inside a transaction it is part of it."""
    arguments = _arguments(rule)
    decided = Decided(due_at=dialect().now(), outcome=Decision.FIRED, job=new_id(), reason=RUN_NOW)
    with atomic():
        schedules.note(rule.name, decided)
        decided = _fired(app, rule, arguments, decided)
    _tell(rule, decided)
    return AsyncResult(str(decided.job), app=app)


def _fired(
    app: Any, rule: Rule, arguments: tuple[Sequence[Any], Mapping[str, Any]], decided: Decided
) -> Decided:
    """Send the call of an occurrence; return it with the job that stands for it, which a unique call may find there."""
    job = _send(app, rule, arguments, job=str(decided.job))
    if job == decided.job:
        return decided
    found = replace(decided, job=job, reason=f"{decided.reason} {JOB_WAS_THERE}".strip())
    schedules.correct(rule.name, found)
    return found


def _send(
    app: Any, rule: Rule, arguments: tuple[Sequence[Any], Mapping[str, Any]], *, job: str
) -> str:
    """Record the call in the transaction that is open; one that is not durable is sent after its commit.

    Returns the job that stands for it.
    """
    task = app.tasks.get(rule.task)
    headers = {
        **(rule.options.get("headers") or {}),
        "celery_beat_task": True,
        "periodic_task_name": rule.name,
    }
    options = {**rule.options, "headers": headers, "task_id": job}

    def call() -> str:
        try:
            if task is not None:
                return str(task.apply_async(*arguments, **options).id)
            return str(app.send_task(rule.task, *arguments, **options).id)
        except UniqueConflict as conflict:
            # There is nobody here who could be told.
            return conflict.job

    if _is_recorded(app, task, options):
        job = call()
    else:
        transaction.on_commit(call, using=alias(), robust=True)
    if rule.row is not None:
        if tables.in_ledger():
            tables.stamp(rule)
        else:
            transaction.on_commit(lambda: tables.stamp(rule), using=alias(), robust=True)
    return job


def _is_recorded(app: Any, task: Any, options: Mapping[str, Any]) -> bool:
    if app.conf.task_always_eager:
        return False
    for said in (options.get("durable"), getattr(task, "durable", None)):
        if said is not None:
            return bool(said)
    return get_settings().durable


def _arguments(rule: Rule) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return the arguments, with those computed now that the entry leaves to a function."""
    args = [value() if isinstance(value, BeatLazyFunc) else value for value in rule.args]
    kwargs = {
        key: value() if isinstance(value, BeatLazyFunc) else value
        for key, value in rule.kwargs.items()
    }
    return args, kwargs


def _tell(rule: Rule, decided: Decided) -> None:
    log = logger.info if decided.outcome == Decision.FIRED else logger.warning
    log(
        "Schedule %r, due %s: %s%s%s",
        rule.name,
        decided.due_at.isoformat(),
        decided.outcome,
        f" as {decided.job}" if decided.job else "",
        f" ({decided.reason})" if decided.reason else "",
    )
    events.occurrence_decided.send(
        sender=Rule,
        schedule=rule.name,
        due_at=decided.due_at,
        outcome=decided.outcome,
        job=decided.job,
        reason=decided.reason,
    )
