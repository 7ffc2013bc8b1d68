"""Thousands of calls in one go: Celery builds the first message, the others are its copies with other arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from celery.app.task import Task as StockTask
from celery.result import AsyncResult

from holdfast.dispatch.moulds import Mould
from holdfast.dispatch.unique_calls import UniqueCall, is_unique, standing_for
from holdfast.ledger.connections.aside import in_event_loop, in_thread
from holdfast.ledger.database import atomic
from holdfast.ledger.ids import new_ids
from holdfast.ledger.records import Alike, NewJob
from holdfast.policies.limits import limits_of, uses_of

if TYPE_CHECKING:
    from holdfast.dispatch.task import LedgerTask

CHUNK = 1000
# These make each call its own message: they are sent one by one, in one batch.
_OWN_MESSAGE = frozenset(
    {"task_id", "link", "link_error", "chain", "chord", "group_id", "serializer", "compression"}
)
Pair = tuple[Any, Any]
# No call changes it, and ten thousand of them need not be kept.
_NONE: dict[str, Any] = {}


def apply_many(
    task: LedgerTask, calls: Iterable[Any], options: Mapping[str, Any]
) -> list[AsyncResult[Any]]:
    """Record and publish one job for each call; see `LedgerTask.apply_many`."""
    pairs = [_arguments(call) for call in calls]
    app = task.app
    if not pairs:
        return []
    durable = options.get("durable", task.durable)
    if app.conf.task_always_eager or durable is False or _OWN_MESSAGE & options.keys():
        with app.producer_or_acquire() as producer:
            return [
                task.apply_async(args, kwargs, producer=producer, **options)
                for args, kwargs in pairs
            ]
    with app.outbox.capture() as captured:
        task.apply_async(*pairs[0], **options)
    (first,) = captured
    mould = Mould(first, task)
    if first.is_like_others and app.outbox.takes_alike():
        # A root of its own, or that of the job whose body sends.
        template = replace(first, root_id=None) if mould.is_root else first
        ids = app.outbox.send_alike(template, _rows(first, mould, pairs))
        return _handles(task, ids)
    jobs = [first, *_each(mould, first, pairs[1:], options)]
    if in_event_loop():
        in_thread(lambda: _send_together(app, jobs))
    else:
        _send_together(app, jobs)
    return _handles(task, [standing_for(job) for job in jobs])


def _rows(first: NewJob, mould: Mould, pairs: Sequence[Pair]) -> Iterator[list[Alike]]:
    """Yield the jobs in the order of their calls, a chunk at a time."""
    yield [Alike(first.id, first.headers, first.body)]
    root_id, parent_id = None if mould.is_root else first.root_id, first.parent_id
    task, headers, body, typed = mould.task, mould.headers, mould.body, mould.checked
    for start in range(1, len(pairs), CHUNK):
        some = pairs[start : start + CHUNK]
        rows = []
        for id, (args, kwargs) in zip(new_ids(len(some)), some, strict=True):
            if task.typed_arguments:
                args, kwargs = task.argument_annotations.to_send(args, kwargs)  # noqa: PLW2901
            args, kwargs = typed(args, kwargs)  # noqa: PLW2901
            rows.append(
                Alike(id, headers(args, kwargs, root_id or id, parent_id), body(args, kwargs))
            )
        yield rows


def _each(
    mould: Mould, first: NewJob, pairs: Sequence[Pair], options: Mapping[str, Any]
) -> Iterator[NewJob]:
    """Yield jobs of which each has something of its own in the ledger: a key, what it takes of a limit."""
    task, body = mould.task, getattr(mould.task, "run", None)
    limits = limits_of(task, first.queue, options.get("limit")) if first.limits else ()
    unique = UniqueCall.of(task.name, task, dict(options)) if is_unique(task, options) else None
    root_id = None if mould.is_root else first.root_id
    for args, kwargs in pairs:
        if task.typed_arguments:
            args, kwargs = task.argument_annotations.to_send(args, kwargs)  # noqa: PLW2901
        args, kwargs = mould.checked(args, kwargs)  # noqa: PLW2901
        job = mould.cast(args, kwargs, root_id=root_id, parent_id=first.parent_id)
        if limits:
            job.limits = uses_of(limits, body, args, kwargs)
        if unique is not None and first.unique is not None:
            job.unique = unique.request(job, args, kwargs, awaited=first.unique.awaited)
        yield job


def _send_together(app: Any, jobs: Sequence[NewJob]) -> None:
    if jobs[0].unique is not None:
        # In the order of their keys, so that two that send many cannot wait for each other.
        jobs = sorted(jobs, key=lambda job: job.unique.key if job.unique else "")
    # So many are one statement, or make a transaction of their own.
    with nullcontext() if len(jobs) <= CHUNK else atomic():
        for start in range(0, len(jobs), CHUNK):
            app.outbox.send(jobs[start : start + CHUNK])


def _handles(task: LedgerTask, ids: Iterable[str]) -> list[AsyncResult[Any]]:
    if type(task).AsyncResult is not StockTask.AsyncResult:
        return [task.AsyncResult(id) for id in ids]
    # As the task makes them, but for asking each time for what is the same for all.
    handle, backend, name = task.app.AsyncResult, task.backend, task.name
    return [handle(id, backend=backend, task_name=name) for id in ids]


def _arguments(call: Any) -> Pair:
    if isinstance(call, Mapping):
        return (), dict(call)
    if isinstance(call, tuple | list):
        if len(call) == 2 and isinstance(call[0], tuple | list) and isinstance(call[1], Mapping):
            return call[0], call[1]
        return call, _NONE
    raise TypeError(
        f"apply_many() got {call!r} as a call: give a tuple or list of positional arguments, a dict of keyword "
        "arguments, or a pair (args, kwargs). A single argument is written (value,)."
    )
