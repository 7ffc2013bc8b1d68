"""Thousands of calls in one go: Celery builds the first message, the others are its copies with other arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from celery.result import AsyncResult
from celery.utils.saferepr import saferepr
from kombu import serialization
from kombu.utils.json import dumps, loads

from holdfast.ledger.aside import in_event_loop, in_thread
from holdfast.ledger.database import atomic
from holdfast.ledger.ids import new_id
from holdfast.ledger.records import NewJob

if TYPE_CHECKING:
    from holdfast.dispatch.task import LedgerTask

CHUNK = 1000
# These make each call its own message: they are sent one by one, in one batch.
_OWN_MESSAGE = frozenset(
    {"task_id", "link", "link_error", "chain", "chord", "group_id", "serializer", "compression"}
)


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
    (template,) = captured
    jobs = [template, *(_copy(template, task, args, kwargs) for args, kwargs in pairs[1:])]
    if in_event_loop():
        in_thread(lambda: _send_together(app, jobs))
    else:
        _send_together(app, jobs)
    return [task.AsyncResult(job.id) for job in jobs]


def _send_together(app: Any, jobs: Sequence[NewJob]) -> None:
    with atomic():
        for start in range(0, len(jobs), CHUNK):
            app.outbox.send(jobs[start : start + CHUNK])


def _copy(template: NewJob, task: LedgerTask, args: Any, kwargs: Any) -> NewJob:
    if task.typing:
        task.__header__(*args, **kwargs)
    if task.typed_arguments:
        args, kwargs = task.argument_annotations.to_send(args, kwargs)
    job_id = new_id()
    headers = loads(template.headers)
    if headers.get("root_id") == template.id:
        headers["root_id"] = job_id
    headers["argsrepr"] = saferepr(args, task.app.amqp.argsrepr_maxsize)
    headers["kwargsrepr"] = saferepr(kwargs, task.app.amqp.kwargsrepr_maxsize)
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    _, _, data = serialization.dumps((args, kwargs, embed), serializer=task.serializer)
    return replace(
        template,
        id=job_id,
        headers=dumps(headers),
        body=data.encode() if isinstance(data, str) else data,
        root_id=job_id if template.root_id == template.id else template.root_id,
    )


def _arguments(call: Any) -> tuple[Any, Any]:
    if isinstance(call, Mapping):
        return (), dict(call)
    if isinstance(call, tuple | list):
        if len(call) == 2 and isinstance(call[0], tuple | list) and isinstance(call[1], Mapping):
            return call[0], call[1]
        return call, {}
    raise TypeError(
        f"apply_many() got {call!r} as a call: give a tuple or list of positional arguments, a dict of keyword "
        "arguments, or a pair (args, kwargs). A single argument is written (value,)."
    )
